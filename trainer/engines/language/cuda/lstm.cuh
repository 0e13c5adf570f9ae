// LSTM: f, g, n, o = forget, candidate, input and output; c = f * c_prev + g * n; h = o * tanh(c).
#pragma once

struct LstmForward {
    float *hs, *cs, *tanh_cs, *gates;
    int lanes;
    float x[PAIRS][4];  // sums of x, then gates
    float c[PAIRS], tanh_c[PAIRS], h[PAIRS];

    __device__ float begin(int i, const Pair& pair) {
        c[i] = cs[find_place(pair, 0, lanes, 1, 0)];
        return hs[find_place(pair, 0, lanes, 1, 0)];
    }
    __device__ void fetch(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 4; ++g) x[i][g] = gates[find_place(pair, t, lanes, 4, g)];
    }
    __device__ float step(int i, const float* products) {
        x[i][0] = sigmoid(x[i][0] + products[0]);
        x[i][1] = tanhf(x[i][1] + products[1]);
        x[i][2] = sigmoid(x[i][2] + products[2]);
        x[i][3] = sigmoid(x[i][3] + products[3]);
        c[i] = x[i][0] * c[i] + x[i][1] * x[i][2];
        tanh_c[i] = tanhf(c[i]);
        return h[i] = x[i][3] * tanh_c[i];
    }
    __device__ void store(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 4; ++g) gates[find_place(pair, t, lanes, 4, g)] = x[i][g];
        cs[find_place(pair, t + 1, lanes, 1, 0)] = c[i];
        tanh_cs[find_place(pair, t, lanes, 1, 0)] = tanh_c[i];
        hs[find_place(pair, t + 1, lanes, 1, 0)] = h[i];
    }
};

struct LstmBackward {
    const float *d_hs, *cs, *tanh_cs, *gates;
    float *d_sums, *d_h, *d_c;  // d_sums may be gates
    int lanes;
    float x[PAIRS][4];  // gates, then the gradients of their sums
    float before[PAIRS], tanh_c[PAIRS], above[PAIRS], after_h[PAIRS], after_c[PAIRS];

    __device__ void begin(int i) { after_h[i] = after_c[i] = 0.f; }
    __device__ void fetch(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 4; ++g) x[i][g] = gates[find_place(pair, t, lanes, 4, g)];
        before[i] = cs[find_place(pair, t, lanes, 1, 0)];
        tanh_c[i] = tanh_cs[find_place(pair, t, lanes, 1, 0)];
        above[i] = d_hs[find_place(pair, t, lanes, 1, 0)];
    }
    __device__ void step(int i, float* gradients) {
        float f = x[i][0], g = x[i][1], n = x[i][2], o = x[i][3];
        float d = above[i] + after_h[i];
        float e = after_c[i] + d * o * (1.f - tanh_c[i] * tanh_c[i]);
        x[i][0] = e * before[i] * f * (1.f - f);
        x[i][1] = e * n * (1.f - g * g);
        x[i][2] = e * g * n * (1.f - n);
        x[i][3] = d * tanh_c[i] * o * (1.f - o);
        after_c[i] = e * f;
#pragma unroll
        for (int k = 0; k < 4; ++k) gradients[k] = x[i][k];
    }
    __device__ void store(int i, const Pair& pair, int t) {
#pragma unroll
        for (int g = 0; g < 4; ++g) d_sums[find_place(pair, t, lanes, 4, g)] = x[i][g];
    }
    __device__ void receive(int i, float product) { after_h[i] = product; }
    __device__ void finish(int i, const Pair& pair) {
        d_h[find_place(pair, 0, lanes, 1, 0)] = after_h[i];
        d_c[find_place(pair, 0, lanes, 1, 0)] = after_c[i];
    }
};
