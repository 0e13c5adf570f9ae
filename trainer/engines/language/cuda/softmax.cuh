// The softmax of the output layer: scores become the gradient where they stand.
#pragma once

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
    float largest = -3.4028234e38f, total = 0.f;  // total: the sum of exp(score - largest)
    for (int j = threadIdx.x; j < columns; j += THREADS) {
        float score = row[j] + bias[j];
        if (score > largest) {
            total = total * expf(largest - score) + 1.f;
            largest = score;
        } else {
            total += expf(score - largest);  // what is not a number goes here, and stays
        }
    }
    float top = find_largest(largest, parts);
    // A thread that met no column has nothing to add; it would add a product of 0 and what is no number.
    total = add_up(threadIdx.x < columns ? total * expf(largest - top) : 0.f, parts);
    if (threadIdx.x == 0) losses[blockIdx.x] = logf(total) - (row[target] + bias[target] - top);
    if (factor == 0.f) return;
    __syncthreads();  // the target's score has been read
    float much = factor / total;
    for (int j = threadIdx.x; j < columns; j += THREADS) {
        float share = expf(row[j] + bias[j] - top) * much;
        row[j] = j == target ? share - factor : share;
    }
}
