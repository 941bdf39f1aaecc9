# weight_fetcher with a fault (fault.sv), always on:
#   chunk   the seventh chunk of a packed beat is fetched from where the sixth lies
/^  typedef logic \[$clog2(WeightBeats+1)-1:0\] beat_t;/i\
  logic chunk;\
  fault #(.Name("chunk")) u_fault_chunk (.on_o(chunk), .at_o());
s/start_offset\[i\] = 18'(16 \* i);/start_offset[i] = 18'(16 * (chunk \&\& i == 6 ? 5 : i));/
