// Cycles of each layer, from the begin and the retirement of its commands on the chip.
#pragma once

#include "host/compile/layer_spans.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole::report {

using compile::StreamCycles;

/// Feed it every event.
class LayerCycles : public compile::LayerSpans {
 public:
  using compile::LayerSpans::LayerSpans;

  void add(const CommandEvent& event) {
    LayerSpans::add({event.node.x, event.node.y, event.unit, event.pc, event.cycle, event.retired});
  }
};

}  // namespace systole::report
