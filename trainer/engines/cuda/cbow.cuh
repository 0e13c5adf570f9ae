// CBOW: the mean of the words around predicts the word in the middle, as in cbow.py.
#pragma once

// The hidden vectors of words first .. first + rows; zeros behind them.
__device__ void average_windows(Work& work, int first, int rows) {
    for (int item = threadIdx.x; item < BLOCK / 4 * COLUMNS; item += THREADS) {
        int i = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4];
        sum_windows(work.near, *work.notes, first + i, first + rows, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
            if (i + r < rows) scale4(sums[r], 1.f / window_weight(*work.notes, first + i + r));
            work.states[(i + r) * STRIDE + column] = sums[r];
        }
    }
}

// The scores against their own words, whose rows lie in the ring of errors.
__device__ float score_targets(Work& work, int first, int rows, float rate) {
    float loss = 0.f;
    int lane = threadIdx.x % 32;
    for (int i = threadIdx.x / 32; i < BLOCK; i += WARPS) {
        float sum = 0.f;
        if (i < rows)
            for (int column = lane; column < COLUMNS; column += 32)
                sum = dot4(work.states[i * STRIDE + column], work.errors[(first + i) % RING * STRIDE + column], sum);
        for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(ALL, sum, step);
        if (lane == 0) {
            float probability = sigmoid(sum);
            work.scores->targets[i] = i < rows ? rate * (1.f - probability) : 0.f;
            if (i < rows) loss -= logf(fmaxf(probability, LEAST));
        }
    }
    return loss;
}

// The words' own rows in the ring become the errors of their hidden vectors; then each own row gets its update.
__device__ void make_errors(const Task& task, Work& work, int first, int rows) {
    for (int item = threadIdx.x; item < BLOCK / 4 * COLUMNS; item += THREADS) {
        int i = item / COLUMNS * 4, column = item % COLUMNS;
        if (i >= rows) continue;
        float4 sums[4] = {zero4(), zero4(), zero4(), zero4()};
        add_negative_errors(work, i, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r)
            if (i + r < rows) {
                float factor = work.scores->targets[i + r];
                float4* error = work.errors + (first + i + r) % RING * STRIDE + column;
                add4(sums[r], factor, *error);
                *error = sums[r];
                float4 update = zero4();
                add4(update, factor, work.states[(i + r) * STRIDE + column]);
                atomic_add4(task.outputs + static_cast<long long>(work.notes->words[first + i + r]) * COLUMNS + column, update);
            }
    }
}

// Add the window sums of the errors to the rows of words first .. stop.
__device__ void return_errors(const Task& task, const Work& work, int first, int stop) {
    float scale = task.context_gradient / static_cast<float>(WINDOW);
    for (int item = threadIdx.x; item < (stop - first + 3) / 4 * COLUMNS; item += THREADS) {
        int i = first + item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4];
        sum_windows(work.errors, *work.notes, i, stop, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r)
            if (i + r < stop) {
                scale4(sums[r], scale);
                atomic_add4(task.inputs + static_cast<long long>(work.notes->words[i + r]) * COLUMNS + column, sums[r]);
            }
    }
}

__device__ float train_cbow_block(const Task& task, Work& work, int first, int count, int rows, float rate) {
    int seen = first == 0 ? 0 : min(count, first + WINDOW);
    load_words(task.inputs, *work.notes, work.near, seen, min(count, first + BLOCK + WINDOW), 0);
    load_words(task.outputs, *work.notes, work.errors, first, first + rows, 0);
    load_negatives(task, work);
    __syncthreads();
    average_windows(work, first, rows);
    __syncthreads();
    float loss = score_block(task, work, first, rows, rate) + score_targets(work, first, rows, rate);
    __syncthreads();
    make_errors(task, work, first, rows);
    update_negatives(task, work);
    __syncthreads();
    int stop = first + BLOCK >= count ? count : max(first + BLOCK - WINDOW, 0);  // the windows of words below it are done
    return_errors(task, work, max(first - WINDOW, 0), stop);
    return loss;
}
