// Dropout whose masks are nowhere: whether a value is kept follows from the block's key, the place and the value's number, so the
// backward pass draws the same again.
#pragma once

// out[i] = x[i] * factor if it is kept, else 0. Values `period` apart share their fate (variational dropout); size: none do.
// A thread has four values; `fours` says that size and period are multiples of that.
extern "C" __global__ void drop_values(const float* x, float* out, uint32 size, uint32 period, int fours, const Numbers* numbers,
                                       int place, uint32 threshold, float factor) {
    uint32 first = 4 * (blockIdx.x * THREADS + threadIdx.x);
    if (first >= size) return;
    const Draws draws(numbers->key, place);
    uint32 at = period == size ? first : first % period;
    if (fours) {
        uint64 one = draws.pair(at / 2), two = draws.pair(at / 2 + 1);
        float4 value = *reinterpret_cast<const float4*>(x + first);
        value.x = static_cast<uint32>(one >> 32) >= threshold ? value.x * factor : 0.f;
        value.y = static_cast<uint32>(one) >= threshold ? value.y * factor : 0.f;
        value.z = static_cast<uint32>(two >> 32) >= threshold ? value.z * factor : 0.f;
        value.w = static_cast<uint32>(two) >= threshold ? value.w * factor : 0.f;
        *reinterpret_cast<float4*>(out + first) = value;
        return;
    }
    for (uint32 i = first; i < min(first + 4, size); ++i, at = at + 1 == period ? 0 : at + 1)
        out[i] = draws.single(at) >= threshold ? x[i] * factor : 0.f;
}

// The same for whole words: row i of x [.., width] is that of ids[i]. One thread block for each row.
extern "C" __global__ void drop_words(const float* x, const int* ids, float* out, int width, const Numbers* numbers, int place,
                                      uint32 threshold, float factor) {
    bool kept = Draws(numbers->key, place).single(static_cast<uint32>(ids[blockIdx.x])) >= threshold;
    long long start = static_cast<long long>(blockIdx.x) * width;
    for (int j = threadIdx.x; j < width; j += THREADS) out[start + j] = kept ? x[start + j] * factor : 0.f;
}

// d += factor * h: the gradient of a mean square.
extern "C" __global__ void add_penalty(float* d, const float* h, uint32 size, float factor) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) d[i] += factor * h[i];
}

// d [T, step] += factor times the gradient of half the sum of squares of h[t + 1] - h[t]; size = T * step.
extern "C" __global__ void add_change_penalty(float* d, const float* h, uint32 size, uint32 step, float factor) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    float change = 0.f;
    if (i >= step) change += h[i] - h[i - step];
    if (i + step < size) change -= h[i + step] - h[i];
    d[i] += factor * change;
}
