// GRU: r, z = reset and update; n = tanh(sum of x + r * sum of h); h = n + z * (h_prev - n).
#pragma once

struct GruForward {
    float *hs, *gates, *h_sums;
    const float* b_h;
    int lanes;
    float x[PAIRS][3];  // sums of x, then gates
    float y[PAIRS][3];  // sums of h
    float bias[PAIRS][3], h[PAIRS];

    __device__ float begin(int i, const Pair& pair) {
#pragma unroll
        for (int g = 0; g < 3; ++g) bias[i][g] = b_h[g * SIZE + pair.unit];
        return h[i] = hs[find_place(pair, 0, lanes, 1, 0)];
    }
    __device__ void fetch(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 3; ++g) x[i][g] = gates[find_place(pair, t, lanes, 3, g)];
    }
    __device__ float step(int i, const float* products) {
#pragma unroll
        for (int g = 0; g < 3; ++g) y[i][g] = bias[i][g] + products[g];
        x[i][0] = sigmoid(x[i][0] + y[i][0]);
        x[i][1] = sigmoid(x[i][1] + y[i][1]);
        x[i][2] = tanhf(x[i][2] + x[i][0] * y[i][2]);
        return h[i] = x[i][2] + x[i][1] * (h[i] - x[i][2]);
    }
    __device__ void store(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 3; ++g) {
            gates[find_place(pair, t, lanes, 3, g)] = x[i][g];
            h_sums[find_place(pair, t, lanes, 3, g)] = y[i][g];
        }
        hs[find_place(pair, t + 1, lanes, 1, 0)] = h[i];
    }
};

struct GruBackward {
    const float *d_hs, *hs, *gates, *h_sums;
    float *d_x_sums, *d_h_sums, *d_h;
    int lanes;
    float x[PAIRS][3];  // gates, then the gradients of the sums of x
    float y[PAIRS];     // the candidate's sum of h, then its gradient
    float before[PAIRS], above[PAIRS], after[PAIRS];

    __device__ void begin(int i) { after[i] = 0.f; }
    __device__ void fetch(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 3; ++g) x[i][g] = gates[find_place(pair, t, lanes, 3, g)];
        y[i] = h_sums[find_place(pair, t, lanes, 3, 2)];
        before[i] = hs[find_place(pair, t, lanes, 1, 0)];
        above[i] = d_hs[find_place(pair, t, lanes, 1, 0)];
    }
    __device__ void step(int i, float* gradients) {
        float r = x[i][0], z = x[i][1], n = x[i][2];
        float d = above[i] + after[i];
        x[i][2] = d * (1.f - z) * (1.f - n * n);
        x[i][0] = x[i][2] * y[i] * r * (1.f - r);
        x[i][1] = d * (before[i] - n) * z * (1.f - z);
        y[i] = x[i][2] * r;
        after[i] = d * z;
        gradients[0] = x[i][0];
        gradients[1] = x[i][1];
        gradients[2] = y[i];
    }
    __device__ void store(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 3; ++g) {
            d_x_sums[find_place(pair, t, lanes, 3, g)] = x[i][g];
            d_h_sums[find_place(pair, t, lanes, 3, g)] = g == 2 ? y[i] : x[i][g];
        }
    }
    __device__ void receive(int i, float product) { after[i] += product; }
    __device__ void finish(int i, const Pair& pair) { d_h[find_place(pair, 0, lanes, 1, 0)] = after[i]; }
};
