// CBOW: the mean of the words around predicts the word in the middle, as in cbow.py.
#pragma once

// What each row counts in the window sums of words first .. stop, at most BLOCK of them: lane j is word first - WINDOW + j.
// The sums are averages, or errors to be returned.
__device__ void weigh_windows(const Task& task, Work& work, int first, int stop, bool averages) {
    const Notes& notes = *work.notes;
    for (int item = threadIdx.x; item < RING * BLOCK; item += THREADS) {
        int lane = item / BLOCK, i = item % BLOCK, word = first + i, other = first - WINDOW + lane, distance = abs(other - word);
        float weight = 0.f;
        if (word < stop && distance != 0 && distance <= WINDOW && other >= notes.line_starts[word] &&
            other < notes.line_ends[word]) {
            weight = static_cast<float>(WINDOW + 1 - distance);
            weight *= averages ? __fdividef(1.f, window_weight(notes, word)) : task.context_gradient * (1.f / WINDOW);
        }
        work.scores->near_by_lane[lane][i] = weight;
    }
}

// The window sums of words first + i .. first + i + 4 over a ring's rows, at one column; weigh_windows has weighed them.
// No row is read from word `known` on: what lies there may be no number, and 0 times it is none either.
__device__ __forceinline__ void sum_windows(
    const float4* ring, const Work& work, int first, int known, int i, int column, float4 (&sums)[4]) {
#pragma unroll
    for (int r = 0; r < 4; ++r) sums[r] = zero4();
    int low = max(i, WINDOW - first);
    int high = min(i + 4 + 2 * WINDOW, known - first + WINDOW);
    int slot = (first - WINDOW + low) % RING;
#pragma unroll 4
    for (int lane = low; lane < high; ++lane) {
        float4 x = ring[slot * STRIDE + column];
        float4 factors = *reinterpret_cast<const float4*>(&work.scores->near_by_lane[lane][i]);
        add_each(sums, factors, x);
        slot = slot + 1 == RING ? 0 : slot + 1;
    }
}

// The hidden vectors of words first .. first + BLOCK; zeros behind the chunk.
__device__ void average_windows(Work& work, int first, int count) {
    for (int item = threadIdx.x; item < BLOCK / 4 * COLUMNS; item += THREADS) {
        int i = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4];
        sum_windows(work.near, work, first, count, i, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r) work.states[(i + r) * STRIDE + column] = sums[r];
    }
}

// The scores against their own words, whose rows lie in the ring of errors.
__device__ float score_targets(Work& work, int first, int rows, float rate) {
    float loss = 0.f;
    int lane = threadIdx.x % WARP;
    for (int i = threadIdx.x / WARP; i < BLOCK; i += WARPS) {
        float sum = 0.f;
        if (i < rows)
            for (int column = lane; column < COLUMNS; column += WARP)
                sum = dot4(work.states[i * STRIDE + column], work.errors[(first + i) % RING * STRIDE + column], sum);
        for (int step = WARP / 2; step > 0; step /= 2) sum += __shfl_xor_sync(ALL, sum, step);
        if (lane == 0) {
            float probability = sigmoid(sum);
            work.scores->targets[i] = i < rows ? rate * (1.f - probability) : 0.f;
            if (work.measured && i < rows) loss -= logf(fmaxf(probability, LEAST));
        }
    }
    return loss;
}

// The words' own rows in the ring become the errors of their hidden vectors; then each own row gets its update.
__device__ void make_errors(const Task& task, Work& work, int first, int rows, float rate) {
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
                int word = work.notes->words[first + i + r];
                float4 update = zero4();
                add4(update, factor * share_of(task, task.output_rates, word, rate), work.states[(i + r) * STRIDE + column]);
                atomic_add4(task.outputs + static_cast<long long>(word) * COLUMNS + column, update, work.salt);
            }
    }
}

// Add the window sums of the errors, known below word `known`, to the rows of words first .. stop, at most BLOCK of them.
__device__ void return_errors(const Task& task, const Work& work, int first, int stop, int known, float rate) {
    for (int item = threadIdx.x; item < (stop - first + 3) / 4 * COLUMNS; item += THREADS) {
        int i = item / COLUMNS * 4, column = item % COLUMNS;
        float4 sums[4];
        sum_windows(work.errors, work, first, known, i, column, sums);
#pragma unroll
        for (int r = 0; r < 4; ++r)
            if (first + i + r < stop)
                add_input(task, work, work.notes->words[first + i + r], column, sums[r], rate);
    }
}

__device__ float train_cbow_block(const Task& task, Work& work, int first, int count, int rows, float rate) {
    int seen = first == 0 ? 0 : min(count, first + WINDOW);
    copy_inputs(task, *work.notes, work.near, seen, min(count, first + BLOCK + WINDOW));
    copy_outputs(task, *work.notes, work.errors, first, first + rows);
    copy_negatives(task, work);
    weigh_windows(task, work, first, first + rows, true);
    wait_for_copies();
    __syncthreads();
    average_windows(work, first, count);
    __syncthreads();
    float loss = score_block(task, work, first, rows, rate) + score_targets(work, first, rows, rate);
    __syncthreads();
    make_errors(task, work, first, rows, rate);
    update_negatives(task, work);
    int from = max(first - WINDOW, 0);  // the windows of words up to `stop` are done
    int stop = first + BLOCK >= count ? count : max(first + BLOCK - WINDOW, 0);
    weigh_windows(task, work, from, min(from + BLOCK, stop), false);
    __syncthreads();
    return_errors(task, work, from, min(from + BLOCK, stop), first + rows, rate);
    for (from += BLOCK; from < stop; from += BLOCK) {  // at the chunk's end
        __syncthreads();
        weigh_windows(task, work, from, min(from + BLOCK, stop), false);
        __syncthreads();
        return_errors(task, work, from, min(from + BLOCK, stop), first + rows, rate);
    }
    return loss;
}
