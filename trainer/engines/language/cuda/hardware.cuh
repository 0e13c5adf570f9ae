// What C++ has no words for: barriers between thread blocks, and copies to shared memory that run beside the computing.
// tests/engines/cuda_on_cpu.h has its own.
#pragma once

#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name) extern __shared__ float4 name[]
#endif

#ifndef CUDA_ON_CPU

// Add one, after all that this thread knows to be written.
__device__ __forceinline__ void add_release(unsigned* counter) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(__cvta_generic_to_global(counter)) : "memory");
}

__device__ __forceinline__ unsigned load_acquire(const unsigned* counter) {
    unsigned value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(__cvta_generic_to_global(counter)) : "memory");
    return value;
}

__device__ __forceinline__ void let_others_run() {}

// Past the first cache, which does not see what other thread blocks write.
__device__ __forceinline__ void copy_async(float4* shared, const float4* global) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
                 "l"(__cvta_generic_to_global(global))
                 : "memory");
}

// The copies since the last call are a group.
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until this thread's groups but the last LATER ones have come.
template <int LATER>
__device__ __forceinline__ void await_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LATER) : "memory");
}

#endif
