// Skip-gram: the word in the middle predicts each word around it, as in skipgram.py.
#pragma once

// Add to the words in the middle what the words around and the negatives give them.
__device__ void update_states(const Task& task, const Work& work, int first, int rows, float rate) {
    for (int item = threadIdx.x; item < BLOCK / 4 * COLUMNS; item += THREADS) {
        int i = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4] = {zero4(), zero4(), zero4(), zero4()};
        for (int lane = i; lane < i + 4 + 2 * WINDOW; ++lane) {
            float4 x = work.near[lane * STRIDE + column];
            float4 factors = *reinterpret_cast<const float4*>(&work.scores->near_by_lane[lane][i]);
            add_each(sums, factors, x);
        }
        add_negative_errors(work, i, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r)
            if (i + r < rows)
                add_input(task, work, work.notes->words[first + i + r], column, sums[r], rate);
    }
}

// Add to the words around what the words in the middle give them.
__device__ void update_near(const Task& task, const Work& work, int first, int count, int rows) {
    for (int item = threadIdx.x; item < NEAR4 / 4 * COLUMNS; item += THREADS) {
        int lane = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4] = {zero4(), zero4(), zero4(), zero4()};
        int stop = min(lane + 4, rows);
        for (int i = max(lane - 2 * WINDOW, 0); i < stop; ++i) {
            float4 x = work.states[i * STRIDE + column];
            float4 factors = *reinterpret_cast<const float4*>(&work.scores->near_by_state[i][lane]);
            add_each(sums, factors, x);
        }
#pragma unroll
        for (int r = 0; r < 4; ++r) {
            int word = first + lane + r - WINDOW;
            if (lane + r < RING && word >= 0 && word < min(count, first + rows + WINDOW))
                atomic_add4(task.outputs + static_cast<long long>(work.notes->words[word]) * COLUMNS + column, sums[r],
                            work.salt);
        }
    }
}

__device__ float train_skipgram_block(const Task& task, Work& work, int first, int count, int rows, float rate) {
    for (int item = threadIdx.x; item < (RING + BLOCK) * COLUMNS; item += THREADS) {  // zeros where there is no word
        int row = item / COLUMNS, column = item % COLUMNS, word = first + row - WINDOW;
        bool middle = row >= RING;
        if (middle) word = first + row - RING;
        bool inside = middle ? word < first + rows : word >= 0 && word < min(count, first + rows + WINDOW);
        float4* to = (middle ? work.states + (row - RING) * STRIDE : work.near + row * STRIDE) + column;
        if (!inside)
            *to = zero4();
        else if (middle)
            copy_input(task, work.notes->words[word], column, to);
        else
            copy4(to, task.outputs + static_cast<long long>(work.notes->words[word]) * COLUMNS + column);
    }
    copy_negatives(task, work);
    wait_for_copies();
    __syncthreads();
    float loss = score_block(task, work, first, rows, rate);
    __syncthreads();
    update_states(task, work, first, rows, rate);
    update_near(task, work, first, count, rows);
    update_negatives(task, work);
    return loss;
}
