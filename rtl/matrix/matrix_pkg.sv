// Shapes of the matrix array's port. It is laid out for the largest formats from the start (2:4
// sparsity over MXFP4 and NVFP4), so that a format is added behind the port and not through it.
package matrix_pkg;
  import systole_spec_pkg::*;

  localparam int unsigned ChunkBits = 128;
  localparam int unsigned ChunksPerBeat = 8;
  localparam int unsigned WeightBeats = 4;  // 512 bytes a block
  localparam int unsigned BiasChunks = 4;  // 64 bytes, a beat of their own
  localparam int unsigned RowHalves = 2;  // 32 bytes each; 2:4 takes both
  localparam int unsigned RowScaleBits = 64;

  // What a beat of the load port carries. In bytes: weights 512, scales up to 128, indices 256.
  typedef enum logic [1:0] {
    PartWeights = 2'd0,
    PartScales  = 2'd1,
    PartIndices = 2'd2
  } load_part_e;

  // Beside the 128 bytes of a beat. Rows of k: beat b holds k = 8b .. 8b+7, 16 columns each.
  // Columns: beat b holds columns 4b .. 4b+3, 32 of k each.
  typedef struct packed {
    format_e format;
    load_part_e part;
    logic columns;
    logic is_signed;
    logic [$clog2(WeightBeats)-1:0] beat;
  } load_info_t;

  // Beside the bytes of a row. Lanes from len on count as 0.
  typedef struct packed {
    format_e format;
    logic is_signed;
    logic [6:0] len;
  } row_info_t;
endpackage
