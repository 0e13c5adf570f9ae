// RNN: h = tanh(sum of x + h_prev · w_h).
#pragma once

struct RnnForward {
    float* hs;
    const float* sums;
    int lanes;
    float x[PAIRS], h[PAIRS];

    __device__ float begin(int, const Pair& pair) { return hs[find_place(pair, 0, lanes, 1, 0)]; }
    __device__ void fetch(int i, const Pair& pair, int t) { x[i] = sums[find_place(pair, t, lanes, 1, 0)]; }
    __device__ float step(int i, const float* products) { return h[i] = tanhf(x[i] + products[0]); }
    __device__ void store(int i, const Pair& pair, int t) { hs[find_place(pair, t + 1, lanes, 1, 0)] = h[i]; }
};

struct RnnBackward {
    const float *d_hs, *hs;
    float *d_sums, *d_h;
    int lanes;
    float after[PAIRS], above[PAIRS], h[PAIRS], d[PAIRS];

    __device__ void begin(int i) { after[i] = 0.f; }
    __device__ void fetch(int i, const Pair& pair, int t) {
        above[i] = d_hs[find_place(pair, t, lanes, 1, 0)];
        h[i] = hs[find_place(pair, t + 1, lanes, 1, 0)];
    }
    __device__ void step(int i, float* gradients) {
        gradients[0] = d[i] = (above[i] + after[i]) * (1.f - h[i] * h[i]);
    }
    __device__ void store(int i, const Pair& pair, int t) { d_sums[find_place(pair, t, lanes, 1, 0)] = d[i]; }
    __device__ void receive(int i, float product) { after[i] = product; }
    __device__ void finish(int i, const Pair& pair) { d_h[find_place(pair, 0, lanes, 1, 0)] = after[i]; }
};
