// What gates are made of.
#pragma once

__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }

// An element of an array [T, B, blocks * SIZE].
__device__ __forceinline__ size_t find_place(const Pair& pair, int t, int lanes, int blocks, int block) {
    return (static_cast<size_t>(t) * lanes + pair.lane) * blocks * SIZE + block * SIZE + pair.unit;
}
