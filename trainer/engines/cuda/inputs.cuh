// The input vector of a word: its row, or, with SUBWORDS, the mean of its own row and those of its character n-grams.
#pragma once

// With SUBWORDS.
__device__ __forceinline__ float4 load_input(const Task& task, int word, int column) {
    long long start = task.row_starts[word], stop = task.row_starts[word + 1];
    float4 sum = zero4(), mean = zero4();
#pragma unroll 4
    for (long long k = start; k < stop; ++k)
        add4(sum, 1.f, load4(task.inputs + static_cast<long long>(task.rows[k]) * COLUMNS + column));
    add4(mean, 1.f / static_cast<float>(stop - start), sum);
    return mean;
}

// Start to copy a word's vector into shared memory.
__device__ __forceinline__ void copy_input(const Task& task, int word, int column, float4* to) {
    if constexpr (SUBWORDS)
        *to = load_input(task, word, column);
    else
        copy4(to, task.inputs + static_cast<long long>(word) * COLUMNS + column);
}

// What of its updates a row takes.
__device__ __forceinline__ float share_of(const Task& task, const float* rates, int row, float rate) {
    return row < task.damped ? fminf(1.f, __fdividef(rates[row], rate)) : 1.f;
}

__device__ __forceinline__ void add_row(const Task& task, int row, int column, float4 x, float rate, uint64 salt) {
    float4 update = zero4();
    add4(update, share_of(task, task.input_rates, row, rate), x);
    atomic_add4(task.inputs + static_cast<long long>(row) * COLUMNS + column, update, salt);
}

// Add to the word's vector: each of its rows gets the whole, as in fastText.
__device__ __forceinline__ void add_input(
    const Task& task, const Work& work, int word, int column, float4 x, float rate) {
    if constexpr (SUBWORDS) {
        for (long long k = task.row_starts[word]; k < task.row_starts[word + 1]; ++k)
            add_row(task, task.rows[k], column, x, rate, work.salt);
    } else {
        add_row(task, word, column, x, rate, work.salt);
    }
}
