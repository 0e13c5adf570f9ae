// The product of a step on tensor cores: [lanes, DEPTH], which all thread blocks have exchanged, times this block's weights.
//
// With three TERMS a number is the sum of two of bfloat16, a high and a low one, and a product the sum of three: high by high,
// high by low, low by high; what is left out is 2^-16 of it. With one it is rounded to bfloat16, the high one. Columns are the rows of the matrix units' tiles, lanes their columns.
//
// A cluster of RANKS thread blocks computes the columns of all its units together, each over its share of the depth, so that it
// reads only that share of what was exchanged; then each sends the others what it found for their units. Two rows of the
// depth are exchanged as [high and low, lanes] words of two bfloat16s.
#pragma once

__device__ __forceinline__ float4 zero4() { return make_float4(0.f, 0.f, 0.f, 0.f); }

__device__ __forceinline__ unsigned round_to_bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FFFu;  // NaN
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

struct Halves {
    unsigned high, low;
};

__device__ __forceinline__ Halves split_number(float x) {
    unsigned high = round_to_bfloat16(x);
    return {high, round_to_bfloat16(x - __uint_as_float(high << 16))};
}

// Let the others have `value`, of row `k` of the depth and lane `row`.
__device__ __forceinline__ void show(float4* exchange, int k, int row, float value) {
    unsigned short* halves = reinterpret_cast<unsigned short*>(exchange + static_cast<size_t>(k / 2) * SHOWN_ROW);
    Halves split = split_number(value);
    halves[2 * row + k % 2] = static_cast<unsigned short>(split.high);
    if (HALVES == 2) halves[2 * (PADDED_LANES + row) + k % 2] = static_cast<unsigned short>(split.low);
}

// The weight of the cluster's `column` in row `k` of this block's share of the depth; 0 beside the matrix.
__device__ __forceinline__ float find_weight(const Part& part, const float* w_h, int k, int column) {
    int rank = part.group % RANKS;
    int unit = part.first_unit + (column / DEALT - rank) * UNITS + column % UNITS, sum = column % DEALT / UNITS;
    int row = rank * STEPS * 16 + k;
    if (column >= RANKS * DEALT || unit >= SIZE || k >= STEPS * 16 || row >= DEPTH) return 0.f;
    return BACKWARD ? w_h[static_cast<size_t>(unit) * WIDTH + row] : w_h[static_cast<size_t>(row) * WIDTH + sum * SIZE + unit];
}

constexpr int AT_ONCE = 8;  // words of weights that a thread waits for together

// Copy this block's weights to shared memory, and to `packed` what does not stay there, as the matrix units want them: for a
// step and a tile the high halves and the low ones, of each lane of a warp four words.
__device__ void take_weights(const Part& part, const float* w_h) {
    unsigned* kept = reinterpret_cast<unsigned*>(part.kept);
    unsigned* packed = reinterpret_cast<unsigned*>(part.packed);
    constexpr int WORDS = CHUNKS * CHUNK * M_TILES * 128;
    for (int first = threadIdx.x; first < WORDS; first += AT_ONCE * THREADS) {
        float even[AT_ONCE], odd[AT_ONCE];
#pragma unroll
        for (int j = 0; j < AT_ONCE; ++j) {
            int i = first + j * THREADS;
            int lane = i % 32, word = i / 32 % 4, tile = i / 128 % M_TILES, step = i / 128 / M_TILES;
            int column = 16 * tile + lane / 4 + word % 2 * 8, k = 16 * step + lane % 4 * 2 + word / 2 * 8;
            even[j] = find_weight(part, w_h, k, column);
            odd[j] = find_weight(part, w_h, k + 1, column);
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; ++j) {
            int i = first + j * THREADS;
            int lane = i % 32, word = i / 32 % 4, tile = i / 128 % M_TILES, step = i / 128 / M_TILES;
            Halves low = split_number(even[j]), high = split_number(odd[j]);
            bool stays = step < KEPT * CHUNK;
            size_t place = static_cast<size_t>(stays ? step : step - KEPT * CHUNK) * (4 * STEP_WEIGHTS);
            place += tile * (128 * HALVES) + lane * 4 + word;
            if (i < WORDS) {
                (stays ? kept : packed)[place] = low.high | high.high << 16;
                if (HALVES == 2) (stays ? kept : packed)[place + 128] = low.low | high.low << 16;
            }
        }
    }
    __threadfence();
    __syncthreads();
}

// Start to copy a chunk of what was exchanged, and of the weights that did not stay.
__device__ __forceinline__ void start_chunk(const Part& part, const float4* shown, int chunk) {
    if (chunk < CHUNKS) {
        int steps = min(CHUNK, STEPS - chunk * CHUNK);
        float4* states = part.stages + chunk % STAGES * STAGE;
        const float4* from = shown + static_cast<size_t>(chunk) * CHUNK * 8 * SHOWN_ROW;
        for (int i = threadIdx.x; i < steps * 8 * SHOWN_ROW; i += THREADS)
            copy_async(states + i / SHOWN_ROW * ROW + i % SHOWN_ROW, from + i);
        if (STREAMED && chunk >= KEPT) {
            float4* weights = states + CHUNK * 8 * ROW;
            const float4* packed = part.packed + static_cast<size_t>(chunk - KEPT) * CHUNK_WEIGHTS;
            for (int i = threadIdx.x; i < steps * STEP_WEIGHTS; i += THREADS) copy_async(weights + i, packed + i);
        }
    }
    close_copies();
}

struct Tiles {
    float sums[M_OWN][N_OWN][4];
};

struct Corner {
    int split, m, n;  // m and n: where its tiles start
};

__device__ __forceinline__ Corner find_corner() {
    int warp = threadIdx.x / 32;
    return {warp / (M_WARPS * N_WARPS), warp % M_WARPS * M_OWN, warp / M_WARPS % N_WARPS * N_OWN};
}

// tiles += a chunk's states times its weights, this warp's steps of them.
__device__ __forceinline__ void multiply_chunk(Tiles& tiles, const float4* states, const float4* weights, int steps) {
    Corner corner = find_corner();
    int lane = threadIdx.x % 32;
    const unsigned* words = reinterpret_cast<const unsigned*>(states) + lane % 4 * (4 * ROW) + corner.n * 8 + lane / 4;
    const uint4* tile = reinterpret_cast<const uint4*>(weights) + corner.m * (32 * HALVES) + lane;
#pragma unroll 2
    for (int step = corner.split; step < steps; step += SPLITS) {
        uint2 high[N_OWN], low[N_OWN];
#pragma unroll
        for (int n = 0; n < N_OWN; ++n) {
            const unsigned* from = words + step * (32 * ROW) + n * 8;
            high[n] = make_uint2(from[0], from[16 * ROW]);
            low[n] = HALVES == 2 ? make_uint2(from[PADDED_LANES], from[16 * ROW + PADDED_LANES]) : high[n];
        }
#pragma unroll
        for (int m = 0; m < M_OWN; ++m) {
            const uint4* from = tile + step * STEP_WEIGHTS + m * (32 * HALVES);
            multiply_tiles<TERMS>(tiles.sums[m], from[0], from[32 * (HALVES - 1)], high, low);
        }
    }
}

// Send each of the cluster's thread blocks what this one found for its units; sums[i][s] becomes sum s of this thread's pair i.
__device__ __forceinline__ void deal(const Part& part, const Tiles& tiles, float (&sums)[PAIRS][SUMS]) {
    Corner corner = find_corner();
    int lane = threadIdx.x % 32, sender = part.group % RANKS * SPLITS + corner.split;
#pragma unroll
    for (int m = 0; m < M_OWN; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            int column = 16 * (corner.m + m) + 8 * half + lane / 4;
            if (column < RANKS * DEALT) {
                float* inbox = reinterpret_cast<float*>(part.inbox) + (sender * DEALT + column % DEALT) * INBOX_ROW;
#pragma unroll
                for (int n = 0; n < N_OWN; ++n)
                    send(inbox + (corner.n + n) * 8 + lane % 4 * 2, column / DEALT,
                         tiles.sums[m][n][2 * half], tiles.sums[m][n][2 * half + 1]);
            }
        }
    meet_cluster();
    const float* inbox = reinterpret_cast<const float*>(part.inbox);
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) {
        int number = threadIdx.x + i * THREADS, row = find_row(number), column = find_column(number);
#pragma unroll
        for (int s = 0; s < SUMS; ++s) {
            sums[i][s] = 0.f;
            if (number < LANES * UNITS)
#pragma unroll 8
                for (int k = 0; k < RANKS * SPLITS; ++k)
                    sums[i][s] += inbox[(k * DEALT + s * UNITS + column) * INBOX_ROW + row];
        }
    }
}

// This thread's sums for the states in `exchange`.
__device__ __forceinline__ void multiply(const Part& part, const float4* exchange, float (&sums)[PAIRS][SUMS]) {
    Tiles tiles;
#pragma unroll
    for (int m = 0; m < M_OWN; ++m)
#pragma unroll
        for (int n = 0; n < N_OWN; ++n)
#pragma unroll
            for (int c = 0; c < 4; ++c) tiles.sums[m][n][c] = 0.f;
    const float4* shown = exchange + static_cast<size_t>(part.group % RANKS) * (SHOWN / RANKS);
    for (int chunk = 0; chunk < STAGES - 1; ++chunk) start_chunk(part, shown, chunk);
#pragma unroll 1
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
        await_copies<STAGES - 2>();
        __syncthreads();  // the chunk is there, and the one before has been read
        start_chunk(part, shown, chunk + STAGES - 1);
        const float4* states = part.stages + chunk % STAGES * STAGE;
        const float4* weights = !STREAMED || chunk < KEPT ? part.kept + chunk * CHUNK_WEIGHTS : states + CHUNK * 8 * ROW;
        multiply_chunk(tiles, states, weights, min(CHUNK, STEPS - chunk * CHUNK));
    }
    await_copies<0>();
    deal(part, tiles, sums);
}
