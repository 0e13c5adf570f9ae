// The product of a step on tensor cores: sizes, and where things lie in shared memory (tensor_product.cuh).
#pragma once

constexpr int DEALT = SUMS * UNITS;                                   // columns of a thread block's own units
constexpr int M_TILES = up(up(RANKS * DEALT, 16) / 16, M_WARPS);      // of 16 columns: those of the whole cluster
constexpr int PADDED_LANES = up(LANES, 8 * N_WARPS);
constexpr int N_TILES = PADDED_LANES / 8;
constexpr int M_OWN = M_TILES / M_WARPS, N_OWN = N_TILES / N_WARPS;   // tiles of a warp
constexpr int SPLITS = THREADS / 32 / (M_WARPS * N_WARPS);            // of the depth
constexpr int STEPS = up(up(DEPTH, RANKS) / RANKS, 16) / 16;          // of 16 rows: a thread block's share of the depth
constexpr int CHUNK = SPLITS * TURNS;                                 // steps that are copied together
constexpr int CHUNKS = up(STEPS, CHUNK) / CHUNK;
constexpr bool STREAMED = KEPT < CHUNKS;                              // whether some weights do not stay in shared memory
constexpr int HALVES = TERMS == 3 ? 2 : 1;                            // bfloat16s that a number is made of
constexpr int SHOWN_ROW = HALVES * PADDED_LANES / 4;                  // float4s that are exchanged of two rows of the depth
constexpr int ROW = (HALVES * N_TILES | 1) * 2;                       // the same in shared memory: rows start in different banks
constexpr int STEP_WEIGHTS = M_TILES * 32 * HALVES;                   // float4s
constexpr int CHUNK_WEIGHTS = CHUNK * STEP_WEIGHTS;
constexpr int STAGE = CHUNK * 8 * ROW + (STREAMED ? CHUNK_WEIGHTS : 0);
constexpr int INBOX_ROW = (N_TILES % 2 ? N_TILES : N_TILES + 1) * 8;  // floats
constexpr int INBOX = RANKS * SPLITS * DEALT * INBOX_ROW / 4;         // float4s
constexpr int KEPT_WEIGHTS = KEPT * CHUNK_WEIGHTS;
constexpr int PACKED = (CHUNKS - KEPT) * CHUNK_WEIGHTS;               // float4s that a thread block reads at every step
constexpr int SHOWN_SUMS = BACKWARD ? GATES : 1;                    // numbers that a unit shows the others
constexpr int STASH_ROW = LANES | 1;                                // floats
constexpr int STASH = up(SHOWN_SUMS * UNITS * STASH_ROW, 4) / 4;    // float4s: what a thread block is about to show
constexpr int WORK = larger(STAGES * STAGE, STASH) + INBOX;           // float4s beside the weights
constexpr int SHOWN = RANKS * STEPS * 8 * SHOWN_ROW;                  // float4s that are exchanged at a step

static_assert(THREADS == 32 * SPLITS * M_WARPS * N_WARPS && GROUPS % RANKS == 0 && WORK > INBOX, "see recurrent.cu");
static_assert(TERMS == 1 || TERMS == 3, "see recurrent.cu");
