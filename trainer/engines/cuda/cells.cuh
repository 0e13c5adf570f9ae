// Four columns of a row, as the tables hold them: floats, or with HALVES numbers of 16 bits, which are rounded at random.
#pragma once

typedef unsigned int uint32;
typedef unsigned long long uint64;

__device__ __forceinline__ uint64 mix(uint64 value) {  // sampling.mix
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

#if HALVES
struct alignas(8) Cell {
    uint32 pairs[2];  // the earlier column in the lower half
};

#ifdef __CUDACC__
__device__ __forceinline__ uint32 pack_halves(float low, float high) {
    uint32 pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

__device__ __forceinline__ float2 unpack_halves(uint32 pair) {
    float2 found;
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
        : "=f"(found.x), "=f"(found.y)
        : "r"(pair));
    return found;
}

__device__ __forceinline__ void add_halves(Cell* address, uint32 first, uint32 second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("red.global.add.noftz.v2.f16x2 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(address)), "r"(first),
                 "r"(second)
                 : "memory");
#else
    uint64 to = __cvta_generic_to_global(address);
    asm volatile("red.global.add.noftz.f16x2 [%0], %1;" ::"l"(to), "r"(first) : "memory");
    asm volatile("red.global.add.noftz.f16x2 [%0], %1;" ::"l"(to + 4), "r"(second) : "memory");
#endif
}
#endif
#else
typedef float4 Cell;
#endif

// Rows change under our eyes: read them where the atomics write them, past the first cache.
__device__ __forceinline__ float4 load4(const Cell* address) {
#if HALVES
    uint2 pairs = __ldcg(reinterpret_cast<const uint2*>(address));
    float2 low = unpack_halves(pairs.x), high = unpack_halves(pairs.y);
    return make_float4(low.x, low.y, high.x, high.y);
#else
    return __ldcg(address);
#endif
}

// Start to copy a cell into shared memory, the same way; it is there after wait_for_copies and a barrier.
__device__ __forceinline__ void copy4(float4* to, const Cell* from) {
#if defined(__CUDA_ARCH__) && !HALVES
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<uint32>(__cvta_generic_to_shared(to))),
                 "l"(__cvta_generic_to_global(from))
                 : "memory");
#else
    *to = load4(from);
#endif
}

#if HALVES
// What is to be added to `value`, a half, so that the sum is a half and x is added in the mean; `random` in 0 .. 65535.
__device__ __forceinline__ float round_change(float value, float x, uint32 random) {
    float target = value + x;
    uint32 exponent = max(__float_as_uint(target) & 0x7F800000u, 113u << 23);  // 2^-14, the least of normal halves
    float step = __uint_as_float(exponent - (10u << 23)), steps = __uint_as_float((264u << 23) - exponent);  // and 1 / step
    return floorf(fmaf(target, steps, (static_cast<float>(random) + 0.5f) / 65536.f)) * step - value;
}
#endif

// Add x to a cell. With HALVES, `salt` decides with the address how it is rounded.
__device__ __forceinline__ void atomic_add4(Cell* address, float4 x, uint64 salt) {
#if HALVES
    float4 value = load4(address);
    uint64 random = mix(salt + reinterpret_cast<uint64>(address));
    uint32 first = pack_halves(round_change(value.x, x.x, random & 0xFFFFu), round_change(value.y, x.y, random >> 16 & 0xFFFFu));
    uint32 second = pack_halves(round_change(value.z, x.z, random >> 32 & 0xFFFFu), round_change(value.w, x.w, random >> 48));
    if ((first | second) & 0x7FFF7FFFu) add_halves(address, first, second);  // most often nothing, near the end
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(address)), "f"(x.x),
                 "f"(x.y), "f"(x.z), "f"(x.w)
                 : "memory");
#else
    float* to = reinterpret_cast<float*>(address);
    atomicAdd(to, x.x);
    atomicAdd(to + 1, x.y);
    atomicAdd(to + 2, x.z);
    atomicAdd(to + 3, x.w);
#endif
}
