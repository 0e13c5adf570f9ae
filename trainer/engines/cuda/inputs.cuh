// The input vector of a word: its row, or, with SUBWORDS, the mean of its own row and those of its character n-grams.
#pragma once

__device__ __forceinline__ float4 load_input(const Task& task, int word, int column) {
    if constexpr (SUBWORDS) {
        long long start = task.row_starts[word], stop = task.row_starts[word + 1];
        float4 sum = zero4(), mean = zero4();
#pragma unroll 4
        for (long long k = start; k < stop; ++k)
            add4(sum, 1.f, load4(task.inputs + static_cast<long long>(task.rows[k]) * COLUMNS + column));
        add4(mean, 1.f / static_cast<float>(stop - start), sum);
        return mean;
    } else {
        return load4(task.inputs + static_cast<long long>(word) * COLUMNS + column);
    }
}

// Add to the word's vector: each of its rows gets the whole, as in fastText.
__device__ __forceinline__ void add_input(const Task& task, int word, int column, float4 x) {
    if constexpr (SUBWORDS) {
        for (long long k = task.row_starts[word]; k < task.row_starts[word + 1]; ++k)
            atomic_add4(task.inputs + static_cast<long long>(task.rows[k]) * COLUMNS + column, x);
    } else {
        atomic_add4(task.inputs + static_cast<long long>(word) * COLUMNS + column, x);
    }
}
