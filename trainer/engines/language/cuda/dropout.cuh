// Dropout whose masks are nowhere: whether a value is kept follows from the block's key, the place and the value's number, so the
// backward pass draws the same again.
#pragma once

// out[i] = x[i] * factor if it is kept, else 0. Values `period` apart share their fate (variational dropout); size: none do.
extern "C" __global__ void drop_values(const float* x, float* out, uint32 size, uint32 period, const Numbers* numbers,
                                       int place, uint32 threshold, float factor) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) out[i] = draw(numbers->key, place, i % period) >= threshold ? x[i] * factor : 0.f;
}

// The same for whole words: row i of x [.., width] is that of ids[i]. One thread block for each row.
extern "C" __global__ void drop_words(const float* x, const int* ids, float* out, int width, const Numbers* numbers, int place,
                                      uint32 threshold, float factor) {
    float much = draw(numbers->key, place, static_cast<uint64>(ids[blockIdx.x])) >= threshold ? factor : 0.f;
    long long start = static_cast<long long>(blockIdx.x) * width;
    for (int j = threadIdx.x; j < width; j += THREADS) out[start + j] = much == 0.f ? 0.f : x[start + j] * much;
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
