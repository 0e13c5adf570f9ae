// What the kernels of language models share: the numbers of a block of text, hashes, and sums over a thread block.
#pragma once

typedef unsigned int uint32;
typedef unsigned long long uint64;

constexpr uint64 DRAW_STEP = 0x9E3779B97F4A7C15ull;
constexpr int CHUNK = 64 * THREADS;  // numbers of a table that a thread block changes (gpu_updates.py)

static_assert(THREADS >= 32 && (THREADS & (THREADS - 1)) == 0, "whole warps, and halves of halves");

// What changes from block to block beside the words, as gpu_training.py writes it.
struct Numbers {
    uint64 key;   // what is drawn for this block follows from it
    float rate;   // the learning rate; for Adam with its correction
    float keep;   // what weight decay leaves of a weight
    float share;  // of these weights in their averages
    float pad[11];
};

// What became of a block, as gpu_training.py reads it.
struct Outcome {
    double loss;   // summed, in nats
    double norm;   // of all gradients
    double scale;  // that clipping takes
    double good;   // 1 if weights change
    double stuck;  // 1 from the first block on that was not good: whatever is under way by then changes nothing
};

__device__ __forceinline__ uint64 hash_place(uint64 value) {  // sampling.mix
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

// What is drawn at a place of a block, two values to a hash.
struct Draws {
    uint64 key;

    __device__ __forceinline__ Draws(uint64 block, int place) : key(hash_place(block + (place + 1) * DRAW_STEP)) {}

    // Values 2 * pair and 2 * pair + 1, the first in the upper half.
    __device__ __forceinline__ uint64 pair(uint32 pair) const { return hash_place(key + pair * DRAW_STEP); }

    // The i-th, a number below 2^32.
    __device__ __forceinline__ uint32 single(uint32 i) const {
        return static_cast<uint32>(pair(i / 2) >> (i % 2 ? 0 : 32));
    }
};

// The same sum or maximum for all threads. `parts` has room for a value of every warp.
__device__ __forceinline__ float add_up(float value, float* parts) {
    for (int lanes = 16; lanes; lanes /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, lanes);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = 0.f;
    for (int i = 0; i < THREADS / 32; ++i) sum += parts[i];
    return sum;
}

__device__ __forceinline__ float find_largest(float value, float* parts) {
    for (int lanes = 16; lanes; lanes /= 2) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, lanes));
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    float largest = parts[0];
    for (int i = 1; i < THREADS / 32; ++i) largest = fmaxf(largest, parts[i]);
    return largest;
}

// The first thread gets the sum of all threads' values. `parts` has room for a value of every thread.
__device__ __forceinline__ double add_up_exactly(double value, double* parts) {
    __syncthreads();
    parts[threadIdx.x] = value;
    for (int count = THREADS / 2; count; count /= 2) {
        __syncthreads();
        if (threadIdx.x < count) parts[threadIdx.x] += parts[threadIdx.x + count];
    }
    __syncthreads();
    return parts[0];
}
