// The product of a step in float32: sizes, and where things lie in shared memory (scalar_product.cuh).
#pragma once

constexpr int ACROSS = (SUMS * UNITS + TILE_COLUMNS - 1) / TILE_COLUMNS;  // threads side by side
constexpr int COLUMNS = ACROSS * TILE_COLUMNS;                      // of a thread block's product
constexpr int LANES4 = up(LANES, 4) / 4;                            // fours of lanes that are exchanged
constexpr int TILED_LANES = up(LANES, 4 * TILE_LANES) / 4;          // fours of lanes that are computed
constexpr int ROW = TILED_LANES | 1;                                // in shared memory: odd, so that rows start in different banks
constexpr int DOWN = TILED_LANES / TILE_LANES;
constexpr int SPLITS = THREADS / (ACROSS * DOWN);                   // of the depth
constexpr int CHUNK = 4 * SPLITS * TURNS;                           // rows of the depth that are copied together
constexpr int CHUNKS = (DEPTH + CHUNK - 1) / CHUNK;
constexpr bool STREAMED = KEPT < CHUNKS;                            // whether some weights do not stay in shared memory
constexpr int CHUNK_WEIGHTS = CHUNK / 4 * COLUMNS;                  // float4s
constexpr int STAGE = CHUNK * ROW + (STREAMED ? CHUNK_WEIGHTS : 0); // float4s: the states of a chunk, then its weights
constexpr int SLOT = COLUMNS * ROW;                                 // float4s of one split's sums
constexpr int KEPT_WEIGHTS = KEPT * CHUNK_WEIGHTS;
constexpr int PACKED = (CHUNKS - KEPT) * CHUNK_WEIGHTS;             // float4s that a thread block reads at every step
constexpr int WORK = larger(STAGES * STAGE, SLOTS * SLOT);  // float4s beside the weights
constexpr int INBOX = 0;
constexpr int SHOWN = DEPTH * LANES4;                               // float4s that are exchanged at a step

static_assert(SPLITS > 0 && SLOTS > 0 && RANKS == 1, "see recurrent.cu");
