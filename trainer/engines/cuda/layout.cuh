// What a thread block works on, and where it lies in shared memory.
#pragma once

#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name) extern __shared__ float4 name[]
#endif

constexpr int COLUMNS = (DIM + 3) / 4;     // cells of a row in the tables, float4s of one in shared memory
constexpr int STRIDE = COLUMNS | 1;        // float4s of a row in shared memory: odd, so that rows start in different banks
constexpr int RING = BLOCK + 2 * WINDOW;   // words that a block of targets can see
constexpr int NEGATIVES4 = (NEGATIVES + 3) / 4 * 4;
constexpr int NEAR4 = (RING + 3) / 4 * 4;  // lanes of a skip-gram block's band, rounded up
constexpr int NEGATIVE_PAIRS = (NEGATIVES + 1) / 2;
constexpr int NEAR_PAIRS = SKIPGRAM ? WINDOW + 1 : 0;  // pairs of lanes that a pair of words can meet
constexpr int WARP = THREADS < 32 ? THREADS : 32;  // fewer threads than a warp are for the CPU alone
constexpr int WARPS = THREADS / WARP;
constexpr int TILE = 4 * THREADS;          // raw words that are looked at together
constexpr int LOSS_EVERY = 16;             // blocks of which one is measured
constexpr uint32 LINE_END = 0x80000000u;   // this bit of a token marks the last one of its line; the others are id + 1
constexpr uint32 ALL = 0xFFFFFFFFu;
constexpr uint64 STEP = 0x9E3779B97F4A7C15ull;
constexpr float LEAST = 1e-8f;             // probability in a loss

static_assert(BLOCK % 4 == 0 && THREADS % WARP == 0 && WARP % SPLIT == 0 && CHUNK < 65536, "see kernels.cu");

// What a thread block keeps in shared memory beside the rows.
struct Notes {
    long long position;                 // raw words read, counted in the epoch
    long long piece;
    int words[CHUNK];                   // ids of the chunk's kept words
    uint32 tokens[TILE];                // id + 1 of the words kept, 0 for others, and LINE_END
    int negatives[2][NEGATIVES4];       // ids of this block's and the next one's
    float losses[THREADS];
    unsigned short line_starts[CHUNK];  // where each word's line starts and ends among them
    unsigned short line_ends[CHUNK];
    int count;                          // words of the chunk
};

// Shared memory holds ROWS rows of STRIDE float4s, then Scores, then Notes: Plan.shared_bytes in all.
constexpr int STATE_ROWS = BLOCK;                     // hidden vectors (CBOW) or the words in the middle (skip-gram)
constexpr int NEAR_ROWS = RING;                       // context rows (CBOW, a ring) or the words around (skip-gram)
constexpr int ERROR_ROWS = SKIPGRAM ? 0 : RING;       // errors (CBOW, a ring)
constexpr int ROWS = STATE_ROWS + NEAR_ROWS + ERROR_ROWS + NEGATIVES;

struct Scores {                               // gradients, by state and by row, so that four of either are one load
    float by_state[BLOCK][NEGATIVES4];        // of negative k for state i
    float by_negative[NEGATIVES][BLOCK];
    float near_by_state[SKIPGRAM ? BLOCK : 1][SKIPGRAM ? NEAR4 : 4];  // of the word at lane j for state i (skip-gram)
    float near_by_lane[NEAR4][BLOCK];         // the same; or what its row counts in the window sum of word i (CBOW)
    float targets[BLOCK];                     // of its own word (CBOW)
};

struct Work {
    float4 *states, *near, *errors, *negatives;
    const int* negative_ids;
    bool measured;  // whether this block's loss is wanted
    uint64 salt;    // how this block rounds, with HALVES
    Scores* scores;
    Notes* notes;
};

// What a launch is told. Tables are [V, COLUMNS] cells; the inputs have rows of n-grams after those of words.
struct Task {
    Cell *inputs, *outputs;
    const uint32* tokens;         // of raw words first_word, first_word + 1, ... of the epoch
    long long first_word;
    const long long* row_starts;  // [V + 1] word i is made of the input rows rows[row_starts[i]] .. rows[row_starts[i + 1]]
    const int* rows;              // where there are SUBWORDS
    const uint32* keep;           // [V] thresholds of subsampling
    const float *input_rates, *output_rates;  // of each row: the learning rate up to which it takes its updates whole (staleness.py)
    int damped;                   // rows from this one on take them whole at every learning rate
    const int* negatives;         // the shuffled table
    long long negative_room;      // where reading from it starts again
    uint64 seed;
    long long pieces, words;      // of an epoch
    double learning_rate, total_words;
    float negative_weight, context_gradient;
};
