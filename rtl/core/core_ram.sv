// The core's memory: instructions, data, and what the NoC, the host and the DMA put there.
//
// Eight word-interleaved banks of single-port memory. A wide access takes a window of 32 bytes at any word
// address, so that a mover never has to shift; it is always granted. Behind it the data port goes before the
// instruction port where both want the same bank. Addresses wrap at the end of the memory.
// Latency: read data come in the cycle after the grant and hold for that cycle only.

module core_ram
  import systole_pkg::*;
  import core_pkg::*;
(
    input logic clk_i,

    // instructions, read only
    input  logic        instr_req_i,
    output logic        instr_gnt_o,
    input  ram_word_t   instr_word_i,
    output logic [31:0] instr_rdata_o,

    // the core's data
    input  logic             data_req_i,
    output logic             data_gnt_o,
    input  logic             data_we_i,
    input  logic      [ 3:0] data_be_i,
    input  ram_word_t        data_word_i,
    input  logic      [31:0] data_wdata_i,
    output logic      [31:0] data_rdata_o,

    // 32 bytes from a word address on
    input  logic              wide_req_i,
    input  logic              wide_we_i,
    input  logic      [ 31:0] wide_be_i,
    input  ram_word_t         wide_word_i,
    input  logic      [255:0] wide_wdata_i,
    output logic      [255:0] wide_rdata_o
);

  localparam int unsigned NumBanks = 8;
  localparam int unsigned BankBits = $clog2(NumBanks);
  localparam int unsigned RowBits = CoreRamWordBits - BankBits;
  typedef logic [BankBits-1:0] bank_t;
  typedef logic [RowBits-1:0] row_t;

  bank_t instr_bank, data_bank, wide_bank;
  bank_t instr_bank_q, data_bank_q, wide_bank_q;
  logic [31:0] bank_rdata[NumBanks];

  assign instr_bank = instr_word_i[BankBits-1:0];
  assign data_bank = data_word_i[BankBits-1:0];
  assign wide_bank = wide_word_i[BankBits-1:0];

  assign data_gnt_o = data_req_i && !wide_req_i;
  assign instr_gnt_o = instr_req_i && !wide_req_i && !(data_req_i && data_bank == instr_bank);

  // Banks below the window's first one hold its words of the next row.
  logic [NumBanks-1:0] wraps;
  assign wraps = ~({NumBanks{1'b1}} << wide_bank);

  for (genvar b = 0; b < NumBanks; b++) begin : gen_bank
    // Unreset: a word is read only after it was written.
    logic [31:0] mem[2**RowBits];
    logic [31:0] rdata_q;

    logic data_here, instr_here, we;
    logic [3:0] be;
    row_t row;
    logic [31:0] wdata;
    bank_t lane;

    assign data_here = data_gnt_o && data_bank == bank_t'(b);
    assign instr_here = instr_gnt_o && instr_bank == bank_t'(b);
    assign lane = bank_t'(b) - wide_bank;  // the window's word that lies in this bank

    always_comb begin
      row = instr_word_i[CoreRamWordBits-1:BankBits];
      we = 1'b0;
      be = data_be_i;
      wdata = data_wdata_i;
      if (wide_req_i) begin
        row = wide_word_i[CoreRamWordBits-1:BankBits] + row_t'(wraps[b]);
        we = wide_we_i;
        be = wide_be_i[4*lane+:4];
        wdata = wide_wdata_i[32*lane+:32];
      end else if (data_here) begin
        row = data_word_i[CoreRamWordBits-1:BankBits];
        we = data_we_i;
      end
    end

    always_ff @(posedge clk_i) begin
      if (we) begin
        if (&be) mem[row] <= wdata;
        else begin
          if (be[0]) mem[row][7:0] <= wdata[7:0];
          if (be[1]) mem[row][15:8] <= wdata[15:8];
          if (be[2]) mem[row][23:16] <= wdata[23:16];
          if (be[3]) mem[row][31:24] <= wdata[31:24];
        end
      end else if (wide_req_i || data_here || instr_here) rdata_q <= mem[row];
    end

    assign bank_rdata[b] = rdata_q;
  end

  always_ff @(posedge clk_i) begin
    if (instr_gnt_o) instr_bank_q <= instr_bank;
    if (data_gnt_o) data_bank_q <= data_bank;
    if (wide_req_i) wide_bank_q <= wide_bank;
  end

  assign instr_rdata_o = bank_rdata[instr_bank_q];
  assign data_rdata_o = bank_rdata[data_bank_q];

  for (genvar l = 0; l < NumBanks; l++) begin : gen_lane
    assign wide_rdata_o[32*l+:32] = bank_rdata[bank_t'(l)+wide_bank_q];
  end

endmodule
