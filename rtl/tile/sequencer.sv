// Runs one unit's program: fetches commands from the scratchpad, adds launch parameters, waits for
// semaphores, hands the commands to the unit, posts when they retire.
//
// Contract
//   - `launch_i` starts the program at `program_i` with its own copy of parameters and steps. It ends
//     when End retires (`ended_o`); `clear_i` takes it back to rest from any state.
//   - Every command retires once, in program order, End, Nop and Loop too (behind all before them). The
//     jump of Loop is taken ahead, while it is fetched. At most four commands are under way.
//   - A command takes its semaphores as soon as it is the next one, all at once, before the unit is ready.
//   - In the cycle of retirement the local posts are out (`post_mask_o`), and the remote post enters a
//     queue from which it goes to the network interface, unless the unit says by `done_posted_i` that it
//     went with the data.
//   - A bad command (Opcode, Reserved, ProgramRange) is a fault when all before it have retired. Fault
//     information: Opcode its first word, Reserved the number of the word, ProgramRange the address,
//     SemOverflow (of a local post) the mask of the semaphores. A
//     fault of the unit belongs to the oldest command that the unit has not done.
//   - `active_o` is a clock enable: in a cycle without it the clock may stand still.
//   - `stop_i` ends issue and fetch; remote posts of retired commands still leave. While
//     `aborted_i` nothing retires.
// Latency: 7 cycles from one fetch's start to the command's being ready, one more for each parameter;
// the next command is fetched while one waits or runs, and issues in the cycle after the one before it.
`include "assert.svh"

module sequencer
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
#(
    parameter unit_e Unit = UnitLoad
) (
    input logic clk_i,
    input logic rst_ni,

    // launch and end, from the registers
    input  logic               launch_i,
    input  logic               stop_i,
    input  logic               aborted_i,
    input  logic               clear_i,
    input  spad_addr_t         program_i,
    input  logic        [31:0] inputs_i,
    input  logic        [31:0] param_i      [NumParams],
    input  logic        [31:0] step_i       [NumParams],
    output logic               ended_o,
    output logic               busy_o,
    output logic               active_o,
    output unit_state_e        state_o,
    output logic               fault_valid_o,
    output unit_fault_t        fault_o,
    output pc_t                fault_pc_o,

    // command fetch: 32 aligned bytes, data in the cycle after the grant
    output logic               fetch_req_o,
    output spad_addr_t         fetch_addr_o,
    input  logic               fetch_gnt_i,
    input  logic       [255:0] fetch_rdata_i,

    // semaphores
    output logic                     take_req_o,
    output logic [NumSemaphores-1:0] take_mask_o,
    input  logic                     take_gnt_i,
    output logic [NumSemaphores-1:0] post_mask_o,
    input  logic [NumSemaphores-1:0] overflow_i,

    // unit
    output logic        cmd_valid_o,
    input  logic        cmd_ready_i,
    output command_t    cmd_o,
    output pc_t         cmd_pc_o,
    input  logic        done_i,
    input  logic        done_posted_i,
    input  logic        fault_valid_i,
    input  unit_fault_t fault_i,
    input  unit_state_e state_i,

    // remote posts, to the network interface
    output logic        remote_valid_o,
    input  logic        remote_ready_i,
    output node_t       remote_node_o,
    output logic [ 3:0] remote_sem_o,
    output pc_t         remote_pc_o,

    // retirement, in its cycle
    output logic        retire_o,
    output pc_t  retire_pc_o
);
  localparam int unsigned MaxUnderWay = 4;

  // --------------------------------------------------------------------------------- fetch
  typedef enum logic [2:0] {
    FetchIdle,
    FetchRequest,
    FetchLast,
    FetchCheck,
    FetchParam,
    FetchReady
  } fetch_state_e;

  fetch_state_e fetch_state_d, fetch_state_q;
  pc_t pc_d, pc_q;
  logic [1:0] beat_d, beat_q;
  logic rsp_q;
  logic [1:0] rsp_beat_q;
  command_t buffer_q;
  // Views of the whole buffer, of which few bits are read.
  // verilator lint_off UNUSEDSIGNAL
  cmd_header_t header;
  cmd_loop_t loop_command;
  // verilator lint_on UNUSEDSIGNAL
  opcode_e opcode;
  fault_e fault_d, fault_q;
  logic [31:0] fault_info_d, fault_info_q;
  logic [2:0] selectors_d, selectors_q;

  // Launch copies, input by input.
  logic [31:0] param_q[NumParams];
  logic [31:0] step_q[NumParams];
  logic [31:0] input_q, last_input_q;
  spad_addr_t program_q;
  logic loop_back;

  logic [23:0] command_addr;
  logic out_of_range;
  logic step_params;
  logic advance;

  assign header = buffer_q;
  assign loop_command = buffer_q;
  assign opcode = header.opcode;
  assign command_addr = {6'd0, program_q} + {1'b0, pc_q, 7'd0};
  assign out_of_range = command_addr[23:18] != '0 || program_q[6:0] != '0;
  assign loop_back = input_q < last_input_q;

  assign fetch_req_o = fetch_state_q == FetchRequest && !out_of_range && !stop_i;
  assign fetch_addr_o = {command_addr[17:7], beat_q, 5'd0};

  // First word with a reserved bit set, and whether there is one.
  logic reserved_bad;
  logic [4:0] reserved_word;
  logic selector_bad;
  logic [4:0] selector_word;

  always_comb begin
    logic [1023:0] bad;
    logic [31:0] allowed;
    bad = '0;
    allowed = '0;
    reserved_bad = 1'b0;
    reserved_word = '0;
    selector_bad = 1'b0;
    selector_word = '0;
    if (fetch_state_q == FetchCheck) begin
      bad = buffer_q & reserved_mask(opcode);
      reserved_bad = bad != '0;
      for (int unsigned i = 0; i < 32; i++) begin
        if (bad[32*(31-i)+:32] != '0) reserved_word = 5'(31 - i);
      end
      allowed = param_words(opcode);
      if (header.sel2_en && !allowed[header.sel2_word]) begin
        selector_bad  = 1'b1;
        selector_word = header.sel2_word;
      end
      if (header.sel1_en && !allowed[header.sel1_word]) begin
        selector_bad  = 1'b1;
        selector_word = header.sel1_word;
      end
      if (header.sel0_en && !allowed[header.sel0_word]) begin
        selector_bad  = 1'b1;
        selector_word = header.sel0_word;
      end
    end
  end

  // The selector of this cycle: word and its neighbour above, plus the parameter.
  logic [4:0] sum_word;
  logic sum_wide;
  logic [47:0] sum;

  always_comb begin
    logic [3:0] index;
    logic [31:0] wide;
    index = '0;
    wide = '0;
    sum_word = '0;
    sum_wide = 1'b0;
    sum = '0;
    if (fetch_state_q == FetchParam) begin
      if (selectors_q[0]) begin
        index = header.sel0_param;
        sum_word = header.sel0_word;
      end else if (selectors_q[1]) begin
        index = header.sel1_param;
        sum_word = header.sel1_word;
      end else begin
        index = header.sel2_param;
        sum_word = header.sel2_word;
      end
      wide = param_wide_words(opcode);
      sum_wide = wide[sum_word];
      sum = {sum_wide ? buffer_q[32*(sum_word+5'd1)+:16] : 16'd0, buffer_q[32*sum_word+:32]} +
          {16'd0, param_q[index]};
    end
  end

  always_comb begin
    fetch_state_d = fetch_state_q;
    pc_d = pc_q;
    beat_d = beat_q;
    fault_d = fault_q;
    fault_info_d = fault_info_q;
    selectors_d = selectors_q;
    step_params = 1'b0;
    unique case (fetch_state_q)
      FetchRequest: begin
        fault_d = FaultNone;
        if (out_of_range) begin
          fault_d = FaultProgramRange;
          fault_info_d = {8'd0, command_addr};
          fetch_state_d = FetchReady;
        end else if (fetch_gnt_i && fetch_req_o) begin
          beat_d = beat_q + 2'd1;
          if (beat_q == 2'd3) fetch_state_d = FetchLast;
        end
      end
      FetchLast: fetch_state_d = FetchCheck;
      FetchCheck: begin
        selectors_d = {header.sel2_en, header.sel1_en, header.sel0_en};
        fetch_state_d = FetchReady;
        if (!opcode_allowed(Unit, opcode)) begin
          fault_d = FaultOpcode;
          fault_info_d = buffer_q[31:0];
        end else if (reserved_bad) begin
          fault_d = FaultReserved;
          fault_info_d = {27'd0, reserved_word};
        end else if (selector_bad) begin
          fault_d = FaultReserved;
          fault_info_d = {27'd0, selector_word};
        end else if (selectors_d != '0) begin
          fetch_state_d = FetchParam;
        end
      end
      FetchParam: begin
        selectors_d = selectors_q & (selectors_q - 3'd1);
        if (selectors_d == '0) fetch_state_d = FetchReady;
      end
      FetchReady: begin
        if (advance) begin
          beat_d = '0;
          pc_d = pc_q + 16'd1;
          fetch_state_d = FetchRequest;
          if (opcode == OpcodeLoop && loop_back) begin
            pc_d = loop_command.target;
            step_params = fault_q == FaultNone;
          end
          if (fault_q != FaultNone || opcode == OpcodeEnd) fetch_state_d = FetchIdle;
        end
      end
      default: ;
    endcase
    if (launch_i) begin
      fetch_state_d = FetchRequest;
      pc_d = '0;
      beat_d = '0;
    end
    if (clear_i) fetch_state_d = FetchIdle;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fetch_state_q <= FetchIdle;
      pc_q <= '0;
      beat_q <= '0;
      rsp_q <= 1'b0;
      rsp_beat_q <= '0;
      fault_q <= FaultNone;
      fault_info_q <= '0;
      selectors_q <= '0;
    end else begin
      fetch_state_q <= fetch_state_d;
      pc_q <= pc_d;
      beat_q <= beat_d;
      rsp_q <= fetch_req_o && fetch_gnt_i;
      rsp_beat_q <= beat_q;
      fault_q <= fault_d;
      fault_info_q <= fault_info_d;
      selectors_q <= selectors_d;
    end
  end

  // Valid from launch on, or from the fetch: unreset.
  always_ff @(posedge clk_i) begin
    command_t patched;
    if (rsp_q || fetch_state_q == FetchParam) begin
      patched = buffer_q;
      if (rsp_q) begin
        patched[256*rsp_beat_q+:256] = fetch_rdata_i;
      end else begin
        patched[32*sum_word+:32] = sum[31:0];
        if (sum_wide) patched[32*(sum_word+5'd1)+:16] = sum[47:32];
      end
      buffer_q <= patched;
    end
    if (launch_i) begin
      program_q <= program_i;
      input_q <= '0;
      last_input_q <= inputs_i == '0 ? '0 : inputs_i - 32'd1;
      for (int unsigned i = 0; i < NumParams; i++) param_q[i] <= param_i[i];
      for (int unsigned i = 0; i < NumParams; i++) step_q[i] <= step_i[i];
    end else if (step_params) begin
      input_q <= input_q + 32'd1;
      for (int unsigned i = 0; i < NumParams; i++) param_q[i] <= param_q[i] + step_q[i];
    end
  end

  // --------------------------------------------------------------------------------- issue
  typedef struct packed {
    pc_t pc;
    logic [NumSemaphores-1:0] post_mask;
    logic remote_en;
    node_t remote_node;
    logic [3:0] remote_sem;
    logic internal;
    logic is_end;
  } under_way_t;

  logic next_valid_q;
  cmd_header_t next_q;
  pc_t next_pc_q;
  fault_e next_fault_q;
  logic [31:0] next_fault_info_q;
  logic taken_q;

  logic [2:0] count_q;
  logic [2:0] remote_count_q;
  logic may_issue;
  logic internal;
  logic issue;

  assign internal = next_q.opcode inside {OpcodeEnd, OpcodeNop, OpcodeLoop};
  assign may_issue = next_valid_q && next_fault_q == FaultNone && !stop_i &&
      count_q + remote_count_q < 3'(MaxUnderWay);
  assign take_req_o = may_issue && !taken_q;
  assign take_mask_o = next_q.wait_mask;
  assign cmd_valid_o = may_issue && !internal && (taken_q || take_gnt_i);
  assign cmd_o = next_q;
  assign cmd_pc_o = next_pc_q;
  assign issue = may_issue && (taken_q || take_gnt_i) && (internal || cmd_ready_i);
  assign advance = fetch_state_q == FetchReady && (!next_valid_q || issue);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      next_valid_q <= 1'b0;
      taken_q <= 1'b0;
      next_pc_q <= '0;
      next_fault_q <= FaultNone;
      next_fault_info_q <= '0;
    end else begin
      if (clear_i) next_valid_q <= 1'b0;
      else next_valid_q <= advance || (next_valid_q && !issue);
      taken_q <= !clear_i && !issue && (taken_q || take_gnt_i);
      if (advance) begin
        next_pc_q <= pc_q;
        next_fault_q <= fault_q;
        next_fault_info_q <= fault_info_q;
      end
    end
  end

  // Valid with next_valid_q: unreset.
  always_ff @(posedge clk_i) begin
    if (advance) next_q <= buffer_q;
  end

  // ------------------------------------------------------------------------------ retirement
  under_way_t under_way_q[MaxUnderWay];
  under_way_t pushed, head;
  logic [1:0] head_q, tail_q;
  logic [2:0] done_q;
  logic [MaxUnderWay-1:0] posted_q, posted_d;
  logic retire_unit;
  logic posted;
  logic ended_q;
  pc_t newest_pc_q;

  assign pushed = '{
          pc: next_pc_q,
          post_mask: next_q.post_mask,
          remote_en: next_q.remote_en,
          remote_node: '{y: next_q.remote_y, x: next_q.remote_x},
          remote_sem: next_q.remote_sem,
          internal: internal,
          is_end: next_q.opcode == OpcodeEnd
      };

  // Commands that the unit has done behind an internal one that has not yet retired: done_q of them.
  assign head = under_way_q[head_q];
  assign retire_o = count_q != '0 && !aborted_i && (head.internal || done_i || done_q != '0);
  assign retire_unit = retire_o && !head.internal;
  assign posted = done_q != '0 ? posted_q[0] : done_posted_i;
  assign retire_pc_o = head.pc;
  assign post_mask_o = retire_o ? head.post_mask : '0;

  always_comb begin
    posted_d = retire_unit ? posted_q >> 1 : posted_q;
    if (done_i && (!retire_unit || done_q != '0)) begin
      posted_d[2'(done_q-{2'd0, retire_unit})] = done_posted_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= '0;
      head_q <= '0;
      tail_q <= '0;
      done_q <= '0;
      posted_q <= '0;
      ended_q <= 1'b1;
      newest_pc_q <= '0;
    end else if (clear_i || launch_i) begin
      count_q <= '0;
      head_q <= '0;
      tail_q <= '0;
      done_q <= '0;
      posted_q <= '0;
      ended_q <= clear_i;
      newest_pc_q <= '0;
    end else begin
      count_q <= count_q + {2'd0, issue} - {2'd0, retire_o};
      if (issue) tail_q <= tail_q + 2'd1;
      if (issue) newest_pc_q <= next_pc_q;
      if (retire_o) head_q <= head_q + 2'd1;
      done_q   <= done_q + {2'd0, done_i} - {2'd0, retire_unit};
      posted_q <= posted_d;
      if (retire_o && head.is_end) ended_q <= 1'b1;
    end
  end

  // Read only below count_q: unreset.
  always_ff @(posedge clk_i) begin
    if (issue) under_way_q[tail_q] <= pushed;
  end

  assign ended_o = ended_q;

  // ---------------------------------------------------------------------------- remote posts
  typedef struct packed {
    node_t node;
    logic [3:0] sem;
    pc_t pc;
  } remote_t;

  remote_t remote_q[MaxUnderWay];
  logic [1:0] remote_head_q, remote_tail_q;
  logic remote_push, remote_pop;

  assign remote_push = retire_o && head.remote_en && (head.internal || !posted);
  assign remote_pop = remote_valid_o && remote_ready_i;
  assign remote_valid_o = remote_count_q != '0;
  assign remote_node_o = remote_q[remote_head_q].node;
  assign remote_sem_o = remote_q[remote_head_q].sem;
  assign remote_pc_o = remote_q[remote_head_q].pc;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      remote_count_q <= '0;
      remote_head_q  <= '0;
      remote_tail_q  <= '0;
    end else begin
      remote_count_q <= remote_count_q + {2'd0, remote_push} - {2'd0, remote_pop};
      if (remote_push) remote_tail_q <= remote_tail_q + 2'd1;
      if (remote_pop) remote_head_q <= remote_head_q + 2'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (remote_push) begin
      remote_q[remote_tail_q] <= '{node: head.remote_node, sem: head.remote_sem, pc: head.pc};
    end
  end

  // ------------------------------------------------------------------------- status and faults
  logic bad_command;
  logic overflow;
  assign overflow = (post_mask_o & overflow_i) != '0;
  assign bad_command = next_valid_q && next_fault_q != FaultNone && count_q == '0 && !stop_i;

  always_comb begin
    logic [2:0] skip;
    logic [1:0] index;
    skip = done_q;
    index = head_q;
    fault_valid_o = fault_valid_i || overflow || bad_command;
    fault_o = '{code: next_fault_q, info: {16'd0, next_fault_info_q}};
    fault_pc_o = next_pc_q;
    if (fault_valid_i) begin
      fault_o = fault_i;
      fault_pc_o = newest_pc_q;
      for (int unsigned i = 0; i < MaxUnderWay; i++) begin
        index = head_q + 2'(i);
        if (3'(i) < count_q && !under_way_q[index].internal) begin
          if (skip == '0) fault_pc_o = under_way_q[index].pc;
          skip = skip - 3'd1;
        end
      end
    end else if (overflow) begin
      fault_o = '{code: FaultSemOverflow, info: {32'd0, post_mask_o & overflow_i}};
      fault_pc_o = head.pc;
    end
  end

  // Without any of these no register changes.
  assign active_o = launch_i || clear_i || rsp_q || advance || issue || take_gnt_i || done_i || retire_o ||
      remote_pop ||
      fetch_state_q inside {FetchRequest, FetchLast, FetchCheck, FetchParam};
  assign busy_o = remote_valid_o || (!ended_q && !stop_i);

  // What the unit does, or, while it has nothing, what keeps the next command from it. `posts_wait`: remote posts
  // fill the queue of what is under way.
  logic posts_wait;
  assign posts_wait = next_valid_q && next_fault_q == FaultNone && !may_issue;

  always_comb begin
    state_o = UnitStateFetch;
    if (state_i != UnitStateNoWork) state_o = state_i;
    else if (ended_q || stop_i) begin
      state_o = UnitStateNoWork;
      if (remote_valid_o) state_o = remote_ready_i ? UnitStateDrain : UnitStateNocBackpressure;
    end else if (count_q != '0 && !head.internal) state_o = UnitStateDrain;
    else if (take_req_o && !take_gnt_i) state_o = UnitStateWaitSemaphore;
    else if (posts_wait) state_o = UnitStateNocBackpressure;
  end

  `ASSERT_WHEN(DoneOfCommand_A, done_i, count_q > done_q)
  `ASSERT_WHEN(FetchUnderWay_A, state_o == UnitStateFetch && state_i == UnitStateNoWork,
               fetch_state_q != FetchIdle || next_valid_q || count_q != '0)
  `ASSERT(UnderWayBound_A, count_q + remote_count_q <= 3'(MaxUnderWay))
  `ASSERT_WHEN(TakeOnce_A, take_gnt_i, !taken_q)
  `ASSERT_WHEN(LaunchAtRest_A, launch_i, (ended_q && count_q == '0))
  `ASSERT_AFTER(CommandHeld_A, cmd_valid_o && !cmd_ready_i && !stop_i && !clear_i,
                cmd_valid_o || stop_i)
endmodule
