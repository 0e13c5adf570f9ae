// A block of targets against the rows that they share: loading, scores, negatives.
#pragma once

// What the weights around word i add up to, times WINDOW.
__device__ __forceinline__ float window_weight(const Notes& notes, int i) {
    int left = min(i - notes.line_starts[i], WINDOW), right = min(notes.line_ends[i] - 1 - i, WINDOW);
    return 0.5f * static_cast<float>(left * (2 * WINDOW + 1 - left) + right * (2 * WINDOW + 1 - right));
}

// Start to copy the input vectors of words first .. stop of the chunk into a ring, word i into slot i % RING.
__device__ void copy_inputs(const Task& task, const Notes& notes, float4* ring, int first, int stop) {
    for (int item = threadIdx.x; item < (stop - first) * COLUMNS; item += THREADS) {
        int i = first + item / COLUMNS, column = item % COLUMNS;
        copy_input(task, notes.words[i], column, ring + i % RING * STRIDE + column);
    }
}

// The same of their output vectors.
__device__ void copy_outputs(const Task& task, const Notes& notes, float4* ring, int first, int stop) {
    for (int item = threadIdx.x; item < (stop - first) * COLUMNS; item += THREADS) {
        int i = first + item / COLUMNS, column = item % COLUMNS;
        copy4(ring + i % RING * STRIDE + column, task.outputs + static_cast<long long>(notes.words[i]) * COLUMNS + column);
    }
}

__device__ void copy_negatives(const Task& task, Work& work) {
    for (int item = threadIdx.x; item < NEGATIVES * COLUMNS; item += THREADS) {
        int k = item / COLUMNS, column = item % COLUMNS;
        copy4(work.negatives + k * STRIDE + column,
              task.outputs + static_cast<long long>(work.negative_ids[k]) * COLUMNS + column);
    }
}

// Turn the score of state i against negative k into its gradient. Returns its loss.
__device__ __forceinline__ float grade_negative(
    const Task& task, Work& work, int first, int rows, int i, int k, float score, float rate) {
    if (k >= NEGATIVES) return 0.f;
    float gradient = 0.f, share = 1.f, loss = 0.f;
    if (i < rows) {
        const Notes& notes = *work.notes;
        int here = first + i, word = work.negative_ids[k];
        float weight = task.negative_weight;
        if (SKIPGRAM) {  // less those pairs whose other word it is
            int stop = min(static_cast<int>(notes.line_ends[here]), here + WINDOW + 1);
            float whole = window_weight(notes, here), taken = 0.f;
            for (int j = max(static_cast<int>(notes.line_starts[here]), here - WINDOW); j < stop; ++j)
                if (notes.words[j] == word && j != here) taken += static_cast<float>(WINDOW + 1 - abs(j - here));
            weight *= (whole - taken) * (1.f / WINDOW);
        } else if (notes.words[here] == word) {
            weight = 0.f;
        }
        float probability = sigmoid(score);
        gradient = -rate * weight * probability;
        share = share_of(task, task.output_rates, word, rate);
        if (work.measured) loss = -weight * logf(fmaxf(1.f - probability, LEAST));
    }
    work.scores->by_state[i][k] = share * gradient;
    work.scores->by_negative[k][i] = gradient;
    return loss;
}

// The same for the word at lane j of the words around (skip-gram); word i of the block is at lane i + WINDOW.
__device__ __forceinline__ float grade_near(
    const Task& task, Work& work, int first, int rows, int i, int lane, float score, float rate) {
    float gradient = 0.f, share = 1.f, loss = 0.f;
    int here = first + i, there = first + lane - WINDOW, distance = abs(there - here);
    if (i < rows && distance != 0 && distance <= WINDOW && there >= work.notes->line_starts[here] &&
        there < work.notes->line_ends[here]) {
        float weight = static_cast<float>(WINDOW + 1 - distance) * (1.f / WINDOW), probability = sigmoid(score);
        gradient = rate * weight * (1.f - probability);
        share = share_of(task, task.output_rates, work.notes->words[there], rate);
        if (work.measured) loss = -weight * logf(fmaxf(probability, LEAST));
    }
    work.scores->near_by_state[i][lane] = share * gradient;
    work.scores->near_by_lane[lane][i] = gradient;
    return loss;
}

// All scores of the block, as gradients, two states by two rows at a time. Returns this thread's part of the loss.
__device__ float score_block(const Task& task, Work& work, int first, int rows, float rate) {
    constexpr int PAIRS = NEAR_PAIRS + NEGATIVE_PAIRS, TILES = BLOCK / 2 * PAIRS;
    float loss = 0.f;
    for (int base = 0; base < TILES * SPLIT; base += THREADS) {  // whole warps, so that lanes can be added up
        int tile = (base + static_cast<int>(threadIdx.x)) / SPLIT, part = threadIdx.x % SPLIT;
        bool active = tile < TILES;
        int pair = active ? tile / (BLOCK / 2) : 0, i = tile % (BLOCK / 2) * 2;
        bool near = pair < NEAR_PAIRS;
        int k = near ? i + 2 * pair : 2 * (pair - NEAR_PAIRS);
        const float4* rows_b = near ? work.near : work.negatives;
        int other = !near && k + 1 == NEGATIVES ? k : k + 1;  // an odd last one stands beside itself
        float sums[2][2] = {{0.f, 0.f}, {0.f, 0.f}};
        if (active)
            for (int column = part; column < COLUMNS; column += SPLIT) {
                float4 a0 = work.states[i * STRIDE + column], a1 = work.states[(i + 1) * STRIDE + column];
                float4 b0 = rows_b[k * STRIDE + column], b1 = rows_b[other * STRIDE + column];
                sums[0][0] = dot4(a0, b0, sums[0][0]);
                sums[0][1] = dot4(a0, b1, sums[0][1]);
                sums[1][0] = dot4(a1, b0, sums[1][0]);
                sums[1][1] = dot4(a1, b1, sums[1][1]);
            }
#pragma unroll
        for (int r = 0; r < 2; ++r)
#pragma unroll
            for (int s = 0; s < 2; ++s) {
                for (int step = SPLIT / 2; step > 0; step /= 2) sums[r][s] += __shfl_xor_sync(ALL, sums[r][s], step);
                if (active && part == (2 * r + s) % SPLIT) {
                    float score = sums[r][s];
                    loss += near ? grade_near(task, work, first, rows, i + r, k + s, score, rate)
                                 : grade_negative(task, work, first, rows, i + r, k + s, score, rate);
                }
            }
    }
    return loss;
}

// Add to each negative's row what the states give it.
__device__ void update_negatives(const Task& task, const Work& work) {
    for (int item = threadIdx.x; item < NEGATIVES4 / 4 * COLUMNS; item += THREADS) {
        int k = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4] = {zero4(), zero4(), zero4(), zero4()};
#pragma unroll
        for (int i = 0; i < BLOCK; ++i) {
            float4 x = work.states[i * STRIDE + column];
            float4 factors = *reinterpret_cast<const float4*>(&work.scores->by_state[i][k]);
            add_each(sums, factors, x);
        }
#pragma unroll
        for (int r = 0; r < 4; ++r)
            if (k + r < NEGATIVES)
                atomic_add4(task.outputs + static_cast<long long>(work.negative_ids[k + r]) * COLUMNS + column, sums[r],
                            work.salt);
    }
}

// sums_r += sum_k by_negative[k][i + r] negative_k at one column.
__device__ __forceinline__ void add_negative_errors(const Work& work, int i, int column, float4 (&sums)[4]) {
#pragma unroll 8
    for (int k = 0; k < NEGATIVES; ++k) {
        float4 x = work.negatives[k * STRIDE + column];
        float4 factors = *reinterpret_cast<const float4*>(&work.scores->by_negative[k][i]);
        add_each(sums, factors, x);
    }
}
