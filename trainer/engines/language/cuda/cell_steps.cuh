// One step of a recurrent layer beside its product: RNN, LSTM, GRU, forward and backward, one thread for each of B * H values.
//
// Arrays are those of one step: sums and gates [B, G * H], states [B, H]. What cells.py computes.
#pragma once

__device__ __forceinline__ float squash(float x) { return 1.f / (1.f + expf(-x)); }

// Where value i of [B, H] has its first gate in [B, gates * H].
__device__ __forceinline__ uint32 first_gate(uint32 i, uint32 hidden, uint32 gates) {
    return i / hidden * gates * hidden + i % hidden;
}

extern "C" __global__ void rnn_step(const float* sums, float* h, uint32 size) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) h[i] = tanhf(sums[i]);
}

// d_sums for the gradient `above` of h, plus `after`, what comes from the step after; null: nothing does.
extern "C" __global__ void rnn_step_back(const float* above, const float* after, const float* h, float* d_sums, uint32 size) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) d_sums[i] = (above[i] + (after ? after[i] : 0.f)) * (1.f - h[i] * h[i]);
}

// gates come as sums and become forget, candidate, input and output.
extern "C" __global__ void lstm_step(float* gates, const float* c_before, float* c, float* tanh_c, float* h, uint32 size,
                                     uint32 hidden) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    float* gate = gates + first_gate(i, hidden, 4);
    float f = squash(gate[0]), g = tanhf(gate[hidden]), n = squash(gate[2 * hidden]), o = squash(gate[3 * hidden]);
    float cell = f * c_before[i] + g * n, seen = tanhf(cell);
    gate[0] = f;
    gate[hidden] = g;
    gate[2 * hidden] = n;
    gate[3 * hidden] = o;
    c[i] = cell;
    tanh_c[i] = seen;
    h[i] = o * seen;
}

// d_c comes as the gradient of c and becomes that of c_before; null `after` as above, and d_c is then not read.
extern "C" __global__ void lstm_step_back(const float* above, const float* after, const float* gates, const float* c_before,
                                          const float* tanh_c, float* d_sums, float* d_c, uint32 size, uint32 hidden) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    uint32 at = first_gate(i, hidden, 4);
    const float* gate = gates + at;
    float* out = d_sums + at;
    float f = gate[0], g = gate[hidden], n = gate[2 * hidden], o = gate[3 * hidden];
    float d = above[i] + (after ? after[i] : 0.f), seen = tanh_c[i];
    float e = (after ? d_c[i] : 0.f) + d * o * (1.f - seen * seen);
    out[0] = e * c_before[i] * f * (1.f - f);
    out[hidden] = e * n * (1.f - g * g);
    out[2 * hidden] = e * g * n * (1.f - n);
    out[3 * hidden] = d * seen * o * (1.f - o);
    d_c[i] = e * f;
}

// gates come as the sums from x and become reset, update and candidate; h_sums are those from h.
extern "C" __global__ void gru_step(float* gates, const float* h_sums, const float* h_before, float* h, uint32 size,
                                    uint32 hidden) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    uint32 at = first_gate(i, hidden, 3);
    float* gate = gates + at;
    const float* sum = h_sums + at;
    float r = squash(gate[0] + sum[0]), z = squash(gate[hidden] + sum[hidden]);
    float n = tanhf(gate[2 * hidden] + r * sum[2 * hidden]);
    gate[0] = r;
    gate[hidden] = z;
    gate[2 * hidden] = n;
    h[i] = n + z * (h_before[i] - n);
}

// d_h becomes the part of the gradient of h_before that passes the product; null `after` as above.
extern "C" __global__ void gru_step_back(const float* above, const float* after, const float* gates, const float* h_sums,
                                         const float* h_before, float* d_x_sums, float* d_h_sums, float* d_h, uint32 size,
                                         uint32 hidden) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= size) return;
    uint32 at = first_gate(i, hidden, 3);
    const float* gate = gates + at;
    float *x = d_x_sums + at, *v = d_h_sums + at;
    float r = gate[0], z = gate[hidden], n = gate[2 * hidden];
    float d = above[i] + (after ? after[i] : 0.f);
    float d_n = d * (1.f - z) * (1.f - n * n), d_r = d_n * h_sums[at + 2 * hidden] * r * (1.f - r);
    float d_z = d * (h_before[i] - n) * z * (1.f - z);
    x[0] = v[0] = d_r;
    x[hidden] = v[hidden] = d_z;
    x[2 * hidden] = d_n;
    v[2 * hidden] = d_n * r;
    d_h[i] = d * z;
}
