// The softmax of the output layer: scores become the gradient where they stand.
#pragma once

constexpr int HELD = 40;  // scores of a thread that stay in registers; others are read three times
constexpr float LOWEST = -3.4028234e38f;

// Row i of scores [.., columns], without its bias, becomes the gradient of `factor` times its loss, which goes to losses[i];
// with a factor of 0 scores stay. A negative target has no loss and no gradient. One thread block for each row.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_rows(float* scores, const float* bias, const int* targets,
                                                                   float* losses, int columns, float factor) {
    __shared__ float parts[THREADS / 32];
    float* row = scores + static_cast<long long>(blockIdx.x) * columns;
    int target = targets[blockIdx.x];
    if (target < 0) {
        if (factor != 0.f)
            for (int j = threadIdx.x; j < columns; j += THREADS) row[j] = 0.f;
        if (threadIdx.x == 0) losses[blockIdx.x] = 0.f;
        return;
    }
    float held[HELD], largest = LOWEST;
#pragma unroll
    for (int k = 0; k < HELD; ++k) {
        int j = k * THREADS + threadIdx.x;
        held[k] = j < columns ? row[j] + bias[j] : LOWEST;
        largest = fmaxf(largest, held[k]);
    }
    for (int j = HELD * THREADS + threadIdx.x; j < columns; j += THREADS) largest = fmaxf(largest, row[j] + bias[j]);
    float top = find_largest(largest, parts), total = 0.f;  // fmaxf passes over what is no number; the sum does not
#pragma unroll
    for (int k = 0; k < HELD; ++k) total += held[k] = expf(held[k] - top);
    for (int j = HELD * THREADS + threadIdx.x; j < columns; j += THREADS) total += expf(row[j] + bias[j] - top);
    total = add_up(total, parts);
    if (threadIdx.x == 0) losses[blockIdx.x] = logf(total) - (row[target] + bias[target] - top);
    if (factor == 0.f) return;
    __syncthreads();  // the target's score has been read
    float much = factor / total;
#pragma unroll
    for (int k = 0; k < HELD; ++k) {
        int j = k * THREADS + threadIdx.x;
        if (j < columns) row[j] = held[k] * much - (j == target ? factor : 0.f);
    }
    for (int j = HELD * THREADS + threadIdx.x; j < columns; j += THREADS)
        row[j] = expf(row[j] + bias[j] - top) * much - (j == target ? factor : 0.f);
}
