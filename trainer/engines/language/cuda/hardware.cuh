// What C++ has no words for: barriers between thread blocks, and copies to shared memory that run beside the computing.
// tests/engines/cuda_on_cpu.h has its own.
#pragma once

#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name) extern __shared__ float4 name[]
#endif

#if RANKS > 1
#define CLUSTER __cluster_dims__(RANKS, 1, 1)
#else
#define CLUSTER
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

// sums[n] += a tile of 16 columns and 16 rows of the depth times one of 8 lanes, in bfloat16: high by high, and with three COUNT high
// by low and low by high halves of both.
template <int COUNT, int N>
__device__ __forceinline__ void multiply_tiles(float (&sums)[N][4], uint4 high, uint4 low, const uint2 (&lanes_high)[N],
                                               const uint2 (&lanes_low)[N]) {
#pragma unroll
    for (int part = 0; part < COUNT; ++part) {
        uint4 a = part == 2 ? low : high;
#pragma unroll
        for (int n = 0; n < N; ++n) {
            uint2 b = part == 1 ? lanes_low[n] : lanes_high[n];
            asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                "{%0, %1, %2, %3};"
                : "+f"(sums[n][0]), "+f"(sums[n][1]), "+f"(sums[n][2]), "+f"(sums[n][3])
                : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y));
        }
    }
}

// Write two floats where thread block `rank` of the cluster has what this one has at `place`.
__device__ __forceinline__ void send(float* place, int rank, float first, float second) {
#if RANKS > 1
    unsigned there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(static_cast<unsigned>(__cvta_generic_to_shared(place))), "r"(rank));
    asm volatile("st.shared::cluster.v2.f32 [%0], {%1, %2};" ::"r"(there), "f"(first), "f"(second) : "memory");
#else
    *reinterpret_cast<float2*>(place) = make_float2(first, second);
#endif
}

// The barrier of the cluster's threads.
__device__ __forceinline__ void meet_cluster() {
#if RANKS > 1
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    __syncthreads();
#endif
}

#endif
