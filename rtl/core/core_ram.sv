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

  row_t data_row, instr_row;
  assign data_row = data_word_i[CoreRamWordBits-1:BankBits];
  assign instr_row = instr_word_i[CoreRamWordBits-1:BankBits];

  // A word after a write by byte enables.
  function automatic logic [31:0] merged(logic [31:0] old, logic [3:0] be, logic [31:0] data);
    if (be == '1) return data;
    merged = old;
    if (be[0]) merged[7:0] = data[7:0];
    if (be[1]) merged[15:8] = data[15:8];
    if (be[2]) merged[23:16] = data[23:16];
    if (be[3]) merged[31:24] = data[31:24];
  endfunction

  // Banks below the window's first one hold its words of the next row.
  logic [NumBanks-1:0] wraps;
  assign wraps = ~({NumBanks{1'b1}} << wide_bank);

  for (genvar b = 0; b < NumBanks; b++) begin : gen_bank
    // Unreset: a word is read only after it was written.
    logic [31:0] mem[2**RowBits];
    logic [31:0] rdata_q;

    logic data_here, instr_here;
    bank_t lane;  // the window's word that lies in this bank
    row_t wide_row;

    assign data_here = data_gnt_o && data_bank == bank_t'(b);
    assign instr_here = instr_gnt_o && instr_bank == bank_t'(b);
    assign lane = bank_t'(b) - wide_bank;
    assign wide_row = wide_word_i[CoreRamWordBits-1:BankBits] + row_t'(wraps[b]);

    // One access a cycle. Chosen in the flop, so that a simulation looks at the wide data only where one is.
    always_ff @(posedge clk_i) begin
      if (wide_req_i) begin
        if (!wide_we_i) rdata_q <= mem[wide_row];
        else
          mem[wide_row] <= merged(mem[wide_row], wide_be_i[4*lane+:4], wide_wdata_i[32*lane+:32]);
      end else if (data_here) begin
        if (!data_we_i) rdata_q <= mem[data_row];
        else mem[data_row] <= merged(mem[data_row], data_be_i, data_wdata_i);
      end else if (instr_here) begin
        rdata_q <= mem[instr_row];
      end
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
