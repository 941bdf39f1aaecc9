// The scratchpad of a tile: 256 KiB in 16 single-ported banks of 16 bytes.
//
// Contract
//   - A request (`*_req_i` with its address and data) must come from registers or from logic that no
//     grant of this module feeds; it is held until granted. The grant is combinational, in the cycle
//     of the request; a write is done at the end of that cycle, read data come in the next cycle, for
//     that cycle only. A read granted in the cycle after a write sees it.
//   - A window of several chunks is granted as a whole or not at all. Addresses wrap at 256 KiB.
//   - Priority is the order of the requesters below (docs/architecture.md). A requester that was
//     refused 63 times in a row goes first; of several such, the first of the order.
//   - act: four windows of one row, of 32, 16 or 8 bytes by `act_mode_i` (1, 2 or 4 windows), granted
//     one by one. In the cycle after a grant, window i stands at its lanes of the row,
//     `act_rdata_o[8*i*len +: 8*len]`; lanes of windows not granted in the previous cycle are 0, so
//     that the matrix unit ORs parts of a row together.
//   - wgt: eight chunks, addresses multiples of 16 (the low bits are ignored).
//   - va, vb, st, seq read a window, vd and ld write one. ni reads or writes an aligned beat.
//
// Memory: a chunk is 16 aligned bytes. Chunk c lies in bank (c + (c >> 4) + (c >> 8)) mod 16, row
// c >> 4, byte i of it in bits 8*i +: 8 of `gen_bank[bank].mem_q[row]`, which the simulation may read.
`include "assert.svh"

module scratchpad
  import systole_spec_pkg::*;
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // matrix unit: rows of activations
    input  logic       [  3:0] act_req_i,
    input  spad_addr_t         act_addr_i [4],
    input  row_mode_e          act_mode_i,
    output logic       [  3:0] act_gnt_o,
    output logic       [255:0] act_rdata_o,
    // matrix unit: weights
    input  logic       [  7:0] wgt_req_i,
    input  spad_addr_t         wgt_addr_i [8],
    output logic       [  7:0] wgt_gnt_o,
    output logic       [127:0] wgt_rdata_o[8],
    // vector unit
    input  logic               va_req_i,
    input  spad_read_t         va_i,
    output logic               va_gnt_o,
    output logic       [255:0] va_rdata_o,
    input  logic               vb_req_i,
    input  spad_read_t         vb_i,
    output logic               vb_gnt_o,
    output logic       [255:0] vb_rdata_o,
    input  logic               vd_req_i,
    input  spad_write_t        vd_i,
    output logic               vd_gnt_o,
    // network interface: one aligned 32-byte beat
    input  logic               ni_req_i,
    input  logic               ni_we_i,
    input  spad_addr_t         ni_addr_i,
    input  logic       [ 31:0] ni_be_i,
    input  logic       [255:0] ni_wdata_i,
    output logic               ni_gnt_o,
    output logic       [255:0] ni_rdata_o,
    // load and store units
    input  logic               ld_req_i,
    input  spad_write_t        ld_i,
    output logic               ld_gnt_o,
    input  logic               st_req_i,
    input  spad_read_t         st_i,
    output logic               st_gnt_o,
    output logic       [255:0] st_rdata_o,
    // sequencers
    input  logic               seq_req_i,
    input  spad_read_t         seq_i,
    output logic               seq_gnt_o,
    output logic       [255:0] seq_rdata_o,
    // counters: requests granted and refused in this cycle
    output logic       [  4:0] grants_o,
    output logic       [  4:0] refusals_o
);
  localparam int unsigned Banks = ScratchpadBanks;
  localparam int unsigned Rows = ScratchpadBytes / (ScratchpadBanks * BankBytes);

  typedef logic [$clog2(Banks)-1:0] bank_t;
  typedef logic [$clog2(Rows)-1:0] row_t;
  typedef logic [13:0] chunk_t;

  function automatic bank_t bank_of(input chunk_t chunk);
    return 4'(chunk + (chunk >> 4) + (chunk >> 8));
  endfunction

  // Chunks that a window touches beyond its first.
  function automatic logic [1:0] extra_chunks(input logic [3:0] offset, input logic [5:0] len);
    return 2'(({2'd0, offset} + len - 6'd1) >> 4);
  endfunction

  // The 32 bytes that start at byte `offset` of five words.
  function automatic logic [255:0] take(input logic [2:0] offset, input logic [63:0] word0,
                                        input logic [63:0] word1, input logic [63:0] word2,
                                        input logic [63:0] word3, input logic [63:0] word4);
    logic [5:0] right;
    logic [5:0] left;
    right = {offset, 3'd0};
    left  = 6'd56 - right;
    return {
      (word3 >> right) | ((word4 << left) << 8),
      (word2 >> right) | ((word3 << left) << 8),
      (word1 >> right) | ((word2 << left) << 8),
      (word0 >> right) | ((word1 << left) << 8)
    };
  endfunction

  // 32 bytes moved up to byte `offset` of five words.
  function automatic logic [319:0] place(input logic [2:0] offset, input logic [255:0] data);
    logic [5:0] right;
    logic [5:0] left;
    left  = {offset, 3'd0};
    right = 6'd56 - left;
    return {
      (data[255:192] >> right) >> 8,
      (data[255:192] << left) | ((data[191:128] >> right) >> 8),
      (data[191:128] << left) | ((data[127:64] >> right) >> 8),
      (data[127:64] << left) | ((data[63:0] >> right) >> 8),
      data[63:0] << left
    };
  endfunction

  // ------------------------------------------------------------------------------- requesters
  // The order is the priority.
  localparam int unsigned Act = 0;
  localparam int unsigned Wgt = 4;
  localparam int unsigned Va = 12;
  localparam int unsigned Vb = 13;
  localparam int unsigned Vd = 14;
  localparam int unsigned Ni = 15;
  localparam int unsigned Ld = 16;
  localparam int unsigned St = 17;
  localparam int unsigned Seq = 18;
  localparam int unsigned NumRequesters = 19;

  logic [NumRequesters-1:0] req;
  logic [NumRequesters-1:0] write;
  logic [NumRequesters-1:0] gnt;
  spad_addr_t req_addr[NumRequesters];
  logic [5:0] req_len[NumRequesters];

  always_comb begin
    logic [5:0] act_len;
    unique case (act_mode_i)
      RowModeRun16x2: act_len = 6'd16;
      RowModeRun8x4: act_len = 6'd8;
      default: act_len = 6'd32;
    endcase
    req = {
      seq_req_i, st_req_i, ld_req_i, ni_req_i, vd_req_i, vb_req_i, va_req_i, wgt_req_i, act_req_i
    };
    write = '0;
    write[Vd] = 1'b1;
    write[Ld] = 1'b1;
    write[Ni] = ni_we_i;
    for (int unsigned i = 0; i < 4; i++) begin
      req_addr[Act+i] = act_addr_i[i];
      req_len[Act+i] = act_len;
    end
    for (int unsigned i = 0; i < 8; i++) begin
      req_addr[Wgt+i] = {wgt_addr_i[i][17:4], 4'd0};
      req_len[Wgt+i] = 6'd16;
    end
    req_addr[Va] = va_i.addr;
    req_len[Va] = va_i.len;
    req_addr[Vb] = vb_i.addr;
    req_len[Vb] = vb_i.len;
    req_addr[Vd] = vd_i.addr;
    req_len[Vd] = vd_i.len;
    req_addr[Ni] = {ni_addr_i[17:5], 5'd0};
    req_len[Ni] = 6'd32;
    req_addr[Ld] = ld_i.addr;
    req_len[Ld] = ld_i.len;
    req_addr[St] = st_i.addr;
    req_len[St] = st_i.len;
    req_addr[Seq] = seq_i.addr;
    req_len[Seq] = seq_i.len;
  end

  assign act_gnt_o = gnt[Act+:4];
  assign wgt_gnt_o = gnt[Wgt+:8];
  assign va_gnt_o  = gnt[Va];
  assign vb_gnt_o  = gnt[Vb];
  assign vd_gnt_o  = gnt[Vd];
  assign ni_gnt_o  = gnt[Ni];
  assign ld_gnt_o  = gnt[Ld];
  assign st_gnt_o  = gnt[St];
  assign seq_gnt_o = gnt[Seq];

  // ------------------------------------------------------------------------------ starvation
  // Refusals in a row of each requester, one bit of all counters a word. At 63 a requester is starved;
  // it stays so until granted.
  logic [NumRequesters-1:0] refused;
  logic [NumRequesters-1:0] starved;
  logic [NumRequesters-1:0] prefer;
  logic [NumRequesters-1:0] count_d[6];
  logic [NumRequesters-1:0] count_q[6];

  assign refused = req & ~gnt;
  assign starved = count_q[0] & count_q[1] & count_q[2] & count_q[3] & count_q[4] & count_q[5];
  assign prefer  = req & starved & (~(req & starved) + 19'd1);

  // Of those refused in the cycle before, the counters are not all zero.
  logic [NumRequesters-1:0] refused_q;

  always_comb begin
    logic [NumRequesters-1:0] carry;
    carry = ~starved;
    for (int unsigned i = 0; i < 6; i++) count_d[i] = '0;
    if (refused != '0) begin
      for (int unsigned i = 0; i < 6; i++) begin
        count_d[i] = (count_q[i] ^ carry) & refused;
        carry &= count_q[i];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      refused_q <= '0;
      for (int unsigned i = 0; i < 6; i++) count_q[i] <= '0;
    end else if ((refused | refused_q) != '0) begin
      refused_q <= refused;
      for (int unsigned i = 0; i < 6; i++) count_q[i] <= count_d[i];
    end
  end

  // ----------------------------------------------------------------------------- arbitration
  // Granted requesters scatter their chunks into the requests of the banks. Of a written bank, `source`
  // is the chunk of write_lo/write_hi/write_be that it takes.
  localparam int unsigned NumWriteChunks = 8;
  localparam int unsigned VdChunk = 0;
  localparam int unsigned NiChunk = 3;
  localparam int unsigned LdChunk = 5;

  logic [Banks-1:0] bank_req;
  logic [Banks-1:0] bank_we;
  logic bank_shared;
  row_t bank_row[Banks];
  logic [$clog2(NumWriteChunks)-1:0] bank_source[Banks];

  always_comb begin
    logic [Banks-1:0] mask;
    logic [Banks-1:0] reserved;
    logic [1:0] extra;
    chunk_t chunk0;
    chunk_t chunk1;
    chunk_t chunk2;
    bank_t bank0;
    bank_t bank1;
    bank_t bank2;
    logic [2:0] source;
    bank_shared = 1'b0;
    {mask, extra, chunk0, chunk1, chunk2, bank0, bank1, bank2, source} = '0;
    gnt = '0;
    bank_req = '0;
    bank_we = '0;
    reserved = '0;
    for (int unsigned b = 0; b < Banks; b++) begin
      bank_row[b] = '0;
      bank_source[b] = '0;
    end
    if (prefer != '0) begin
      for (int unsigned r = 0; r < NumRequesters; r++) begin
        if (prefer[r]) begin
          extra = extra_chunks(req_addr[r][3:0], req_len[r]);
          reserved = 16'd1 << bank_of(req_addr[r][17:4]);
          if (extra != 2'd0) reserved |= 16'd1 << bank_of(req_addr[r][17:4] + 14'd1);
          if (extra == 2'd2) reserved |= 16'd1 << bank_of(req_addr[r][17:4] + 14'd2);
        end
      end
    end
    for (int unsigned r = 0; r < NumRequesters; r++) begin
      if (req[r]) begin
        extra = extra_chunks(req_addr[r][3:0], req_len[r]);
        chunk0 = req_addr[r][17:4];
        chunk1 = chunk0 + 14'd1;
        chunk2 = chunk0 + 14'd2;
        bank0 = bank_of(chunk0);
        bank1 = bank_of(chunk1);
        bank2 = bank_of(chunk2);
        source = r == Vd ? 3'(VdChunk) : r == Ni ? 3'(NiChunk) : 3'(LdChunk);
        mask = 16'd1 << bank0;
        if (extra != 2'd0) mask |= 16'd1 << bank1;
        if (extra == 2'd2) mask |= 16'd1 << bank2;
        if ((mask & (bank_req | reserved)) == '0 || prefer[r]) begin
          gnt[r] = 1'b1;
          bank_shared |= (mask & bank_req) != '0;
          bank_req |= mask;
          if (write[r]) bank_we |= mask;
          bank_row[bank0] = chunk0[13:4];
          bank_source[bank0] = source;
          if (extra != 2'd0) begin
            bank_row[bank1] = chunk1[13:4];
            bank_source[bank1] = source + 3'd1;
          end
          if (extra == 2'd2) begin
            bank_row[bank2] = chunk2[13:4];
            bank_source[bank2] = source + 3'd2;
          end
        end
      end
    end
  end

  // ------------------------------------------------------------------------------ write data
  // Windows shifted onto the chunk grid.
  logic [63:0] write_lo[NumWriteChunks];
  logic [63:0] write_hi[NumWriteChunks];
  logic [15:0] write_be[NumWriteChunks];

  // Window writes 0 and 1 are vd and ld.
  logic [1:0] window_req;
  spad_write_t window_write[2];
  assign window_req = {ld_req_i, vd_req_i};
  assign window_write[0] = vd_i;
  assign window_write[1] = ld_i;

  always_comb begin
    logic [319:0] placed;
    logic [47:0] be;
    placed = '0;
    be = '0;
    for (int unsigned i = 0; i < NumWriteChunks; i++) begin
      write_lo[i] = '0;
      write_hi[i] = '0;
      write_be[i] = '0;
    end
    for (int unsigned w = 0; w < 2; w++) begin
      if (window_req[w]) begin
        placed = place(window_write[w].addr[2:0], window_write[w].data);
        be = {16'd0, 32'hFFFF_FFFF >> (6'd32 - window_write[w].len)} << window_write[w].addr[3:0];
        for (int unsigned i = 0; i < 3; i++) write_be[w*LdChunk+i] = be[16*i+:16];
        if (window_write[w].addr[3]) begin
          write_hi[w*LdChunk]   = placed[63:0];
          write_lo[w*LdChunk+1] = placed[127:64];
          write_hi[w*LdChunk+1] = placed[191:128];
          write_lo[w*LdChunk+2] = placed[255:192];
          write_hi[w*LdChunk+2] = placed[319:256];
        end else begin
          write_lo[w*LdChunk]   = placed[63:0];
          write_hi[w*LdChunk]   = placed[127:64];
          write_lo[w*LdChunk+1] = placed[191:128];
          write_hi[w*LdChunk+1] = placed[255:192];
          write_lo[w*LdChunk+2] = placed[319:256];
        end
      end
    end
    if (ni_req_i) begin
      write_lo[NiChunk] = ni_wdata_i[63:0];
      write_hi[NiChunk] = ni_wdata_i[127:64];
      write_lo[NiChunk+1] = ni_wdata_i[191:128];
      write_hi[NiChunk+1] = ni_wdata_i[255:192];
      write_be[NiChunk] = ni_be_i[15:0];
      write_be[NiChunk+1] = ni_be_i[31:16];
    end
  end

  // ----------------------------------------------------------------------------------- banks
  logic [63:0] bank_lo[Banks];
  logic [63:0] bank_hi[Banks];

  function automatic logic [63:0] bit_mask(input logic [7:0] be);
    return {
      {8{be[7]}}, {8{be[6]}}, {8{be[5]}}, {8{be[4]}}, {8{be[3]}}, {8{be[2]}}, {8{be[1]}}, {8{be[0]}}
    };
  endfunction

  function automatic logic [127:0] merge(input logic [127:0] old, input logic [127:0] data,
                                         input logic [15:0] be);
    logic [127:0] mask;
    mask = {bit_mask(be[15:8]), bit_mask(be[7:0])};
    return (old & ~mask) | (data & mask);
  endfunction

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic [8*BankBytes-1:0] mem_q[Rows]  /*verilator public_flat_rd*/;
    logic [8*BankBytes-1:0] rdata_q;

    // The write is a blocking assignment: nothing else reads mem_q, and it simulates faster.
    // verilator lint_off BLKSEQ
    always_ff @(posedge clk_i) begin
      if (bank_req[b]) begin
        if (!bank_we[b]) begin
          rdata_q <= mem_q[bank_row[b]];
        end else if (&write_be[bank_source[b]]) begin
          mem_q[bank_row[b]] = {write_hi[bank_source[b]], write_lo[bank_source[b]]};
        end else begin
          mem_q[bank_row[b]] = merge(
            mem_q[bank_row[b]],
            {
              write_hi[bank_source[b]], write_lo[bank_source[b]]
            },
            write_be[bank_source[b]]
          );
        end
      end
    end
    // verilator lint_on BLKSEQ

    assign bank_lo[b] = rdata_q[63:0];
    assign bank_hi[b] = rdata_q[127:64];
  end

  // ------------------------------------------------------------------------------- read data
  // Address of each read granted in the previous cycle, and the data of its chunks on the lane grid.
  localparam int unsigned NumWindowReads = 4;

  logic [NumRequesters-1:0] read_q;
  spad_addr_t act_addr_q[4];
  row_mode_e act_mode_q;
  chunk_t wgt_chunk_q[8];
  chunk_t ni_chunk_q;
  spad_addr_t window_addr_q[NumWindowReads];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) read_q <= '0;
    else read_q <= gnt & ~write;
  end

  // Valid where read_q is: unreset.
  always_ff @(posedge clk_i) begin
    act_mode_q <= act_mode_i;
    for (int unsigned i = 0; i < 4; i++) act_addr_q[i] <= act_addr_i[i];
    for (int unsigned i = 0; i < 8; i++) wgt_chunk_q[i] <= wgt_addr_i[i][17:4];
    window_addr_q[0] <= va_i.addr;
    window_addr_q[1] <= vb_i.addr;
    window_addr_q[2] <= st_i.addr;
    window_addr_q[3] <= seq_i.addr;
    ni_chunk_q <= {ni_addr_i[17:5], 1'b0};
  end

  // Window reads 0..3 are va, vb, st, seq; 4 is the first window of act.
  localparam int unsigned ReadRequester[NumWindowReads+1] = '{Va, Vb, St, Seq, Act};
  logic [255:0] window_data[NumWindowReads+1];

  for (genvar w = 0; w <= NumWindowReads; w++) begin : gen_window
    spad_addr_t addr;
    if (w == NumWindowReads) begin : gen_act
      assign addr = act_addr_q[0];
    end else begin : gen_other
      assign addr = window_addr_q[w];
    end

    always_comb begin
      bank_t bank0;
      bank_t bank1;
      bank_t bank2;
      {bank0, bank1, bank2} = '0;
      window_data[w] = '0;
      if (read_q[ReadRequester[w]]) begin
        bank0 = bank_of(addr[17:4]);
        bank1 = bank_of(addr[17:4] + 14'd1);
        bank2 = bank_of(addr[17:4] + 14'd2);
        window_data[w] = addr[3] ? take(addr[2:0], bank_hi[bank0], bank_lo[bank1], bank_hi[bank1],
                                        bank_lo[bank2], bank_hi[bank2]) :
            take(addr[2:0], bank_lo[bank0], bank_hi[bank0], bank_lo[bank1], bank_hi[bank1],
                 bank_lo[bank2]);
      end
    end
  end

  // Windows 1 to 3 of act: at most 16 bytes.
  logic [127:0] act_data[4];

  assign act_data[0] = window_data[NumWindowReads][127:0];

  for (genvar i = 1; i < 4; i++) begin : gen_act_window
    always_comb begin
      bank_t bank0;
      bank_t bank1;
      {bank0, bank1} = '0;
      act_data[i] = '0;
      if (read_q[Act+i]) begin
        bank0 = bank_of(act_addr_q[i][17:4]);
        bank1 = bank_of(act_addr_q[i][17:4] + 14'd1);
        act_data[i] = act_addr_q[i][3] ?
            128'(take(act_addr_q[i][2:0], bank_hi[bank0], bank_lo[bank1], bank_hi[bank1], '0, '0)) :
            128'(take(act_addr_q[i][2:0], bank_lo[bank0], bank_hi[bank0], bank_lo[bank1], '0, '0));
      end
    end
  end

  always_comb begin
    unique case (act_mode_q)
      RowModeRun16x2: act_rdata_o = {act_data[1], act_data[0]};
      RowModeRun8x4:
      act_rdata_o = {act_data[3][63:0], act_data[2][63:0], act_data[1][63:0], act_data[0][63:0]};
      default: act_rdata_o = window_data[NumWindowReads];
    endcase
  end

  for (genvar i = 0; i < 8; i++) begin : gen_wgt
    assign wgt_rdata_o[i] = read_q[Wgt+i] ? {bank_hi[bank_of(
        wgt_chunk_q[i]
    )], bank_lo[bank_of(
        wgt_chunk_q[i]
    )]} : '0;
  end

  always_comb begin
    ni_rdata_o = '0;
    if (read_q[Ni]) begin
      ni_rdata_o = {
        bank_hi[bank_of(ni_chunk_q|14'd1)],
        bank_lo[bank_of(ni_chunk_q|14'd1)],
        bank_hi[bank_of(ni_chunk_q)],
        bank_lo[bank_of(ni_chunk_q)]
      };
    end
  end

  assign va_rdata_o  = window_data[0];
  assign vb_rdata_o  = window_data[1];
  assign st_rdata_o  = window_data[2];
  assign seq_rdata_o = window_data[3];
  assign grants_o   = 5'($countones(gnt));
  assign refusals_o = 5'($countones(refused));

  `ASSERT(ActWindows_A, act_mode_i != RowModeRun32 || (act_req_i & 4'b1110) == '0)
  `ASSERT(ActWindows2_A, act_mode_i != RowModeRun16x2 || (act_req_i & 4'b1100) == '0)
  `ASSERT_WHEN(WindowLength_A, vd_req_i, vd_i.len inside {[6'd1 : 6'd32]})
  `ASSERT_WHEN(LoadLength_A, ld_req_i, ld_i.len inside {[6'd1 : 6'd32]})
  `ASSERT(GrantIsRequested_A, (gnt & ~req) == '0)
  `ASSERT(OneAccessPerBank_A, !bank_shared)
  `ASSERT(PreferredIsGranted_A, (prefer & ~gnt) == '0)
  `ASSERT_WHEN(BeatAligned_A, ni_req_i, ni_addr_i[4:0] == '0)
endmodule
