#include "host/compile/part_compiler.hpp"

#include "host/command/error.hpp"
#include "host/compile/predict.hpp"

namespace systole::compile {

using graph::Graph;
using graph::Node;

PartCompiler::PartCompiler(const Graph& graph, MatrixMemo& memo, GlobalMemory& memory,
                           Handed& handed, Part part, Budget budget)
    : graph_(graph),
      memory_(memory),
      part_(std::move(part)),
      context_(memory, part_.places, part_.team, part_.staged ? 1 : inputs(), budget),
      values_(graph, memory, context_, part_, handed),
      operators_(graph, memo, context_, values_),
      record_steps_(budget.record_steps) {}

void PartCompiler::begin_layer(Layer layer) {
  layer_ = layers_.size();
  layers_.push_back(std::move(layer));
}

void PartCompiler::begin_input(unsigned input) {
  values_.begin(input, layer_);
  context_.schedule.set_layer(part_.first_layer + static_cast<int>(layer_), part_.inputs[input]);
}

void PartCompiler::begin_node(const Node& node) {
  begin_layer({node.name, graph::operator_name(node.op),
               static_cast<uint64_t>(graph::mac_count(graph_, node)), 0});
}

void PartCompiler::emit(const Node& node, unsigned input) {
  context_.node_name = graph::operator_name(node.op) + " " + node.name;
  begin_input(input);
  operators_.emit(node);
}

/// Of inputs [first, last). A copy is a layer, the same one for all inputs.
void PartCompiler::copy_outputs(unsigned first, unsigned last) {
  std::size_t layer = part_.end - part_.begin;
  for (std::size_t i = 0; i < values_.num_outputs(); ++i) {
    if (values_.is_written(i)) continue;
    context_.node_name = "output " + values_.output_name(i);
    if (first == 0) begin_layer({values_.output_name(i), "Copy", 0, 0});
    layer_ = layer++;
    for (unsigned input = first; input < last; ++input) {
      begin_input(input);
      values_.copy_output(i);
    }
  }
}

/// Node by node, of each the inputs one behind the other.
void PartCompiler::emit_nodes() {
  for (std::size_t i = part_.begin; i < part_.end; ++i) {
    begin_node(graph_.nodes[i]);
    for (unsigned input = 0; input < inputs(); ++input) emit(graph_.nodes[i], input);
    for (unsigned input = 0; input < inputs(); ++input) values_.release(i, input);
  }
  copy_outputs(0, inputs());
}

/// Input by input; the team meets behind each, so that all stages go on together. The first stage
/// needs nothing of the others: it goes on with the next input, until it has something to hand on.
void PartCompiler::emit_stage() {
  for (unsigned input = 0; input < inputs(); ++input) {
    values_.take_handed(input);
    for (std::size_t i = part_.begin; i < part_.end; ++i) {
      if (input == 0) {
        begin_node(graph_.nodes[i]);
      } else {
        layer_ = i - part_.begin;
      }
      if (values_.is_handed_on(graph_.nodes[i].output)) context_.await_team();
      emit(graph_.nodes[i], input);
      values_.release(i, input);
    }
    // Now: what the stage before handed on is written over with the next input.
    if (part_.is_last) copy_outputs(input, input + 1);
    context_.schedule.set_layer(-1);
    if (input + 1 == inputs()) {
      context_.end_stage();
    } else if (part_.begin == 0) {
      context_.arrive_at_team();
    } else {
      context_.meet_team();
    }
  }
}

void PartCompiler::run() {
  values_.bind(record_steps_);
  part_.staged ? emit_stage() : emit_nodes();
  context_.schedule.set_layer(-1);
  context_.finish();
  // Records step once a phase.
  const Schedule& schedule = context_.schedule;
  const unsigned phases = schedule.phases();
  layout_.input_step = values_.input_record() / phases * part_.at_once;
  layout_.output_step = values_.output_record() / phases * part_.at_once;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const auto bytes = static_cast<int64_t>(schedule.page_bytes(t));
    layout_.pages.push_back(bytes == 0 ? 0 : memory_.dram.allocate(bytes, "programs"));
  }
}

Needs PartCompiler::needs() const {
  Needs needs;
  needs.program = static_cast<uint32_t>(round_up(context_.schedule.image_bytes(), 128));
  needs.resident = context_.resident_used();
  needs.homes = context_.homes_used();
  needs.more_homes = context_.lacks_homes();
  needs.record_steps = context_.schedule.phases();
  needs.records = static_cast<Address>(
      round_up(static_cast<int64_t>(memory_.dram.end()), spec::WindowGranuleBytes));
  return needs;
}

/// Of the part's layers, per input.
std::vector<Layer> PartCompiler::predicted_layers() const {
  std::vector<Layer> all(static_cast<std::size_t>(part_.first_layer) + layers_.size());
  predict(context_.schedule, all);
  std::vector<Layer> layers = layers_;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].predicted_cycles =
        all[static_cast<std::size_t>(part_.first_layer) + i].predicted_cycles / inputs();
  }
  return layers;
}

uint64_t PartCompiler::spacing() const {
  uint64_t cycles = 0;
  for (const Layer& layer : predicted_layers()) cycles += layer.predicted_cycles;
  return cycles;
}

void PartCompiler::add_to(CompiledModel& model) {
  values_.add_to(model);
  if (!model.tiles.empty() && model.phases != context_.schedule.phases())
    throw Error("parts with unequal numbers of pages", "compiler");
  model.phases = context_.schedule.phases();
  if (model.layers.size() == static_cast<std::size_t>(part_.first_layer)) {
    const std::vector<Layer> layers = predicted_layers();
    model.layers.insert(model.layers.end(), layers.begin(), layers.end());
  }
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    TileProgram program = context_.schedule.assemble(t, layout_);
    if (model.phases > 1) {
      memory_.segments.push_back({layout_.pages[t], context_.schedule.pages(t, layout_)});
    }
    program.windows = {
        {spec::HostMemBase, spec::HostMemBytes, true, true},
        {spec::DramBase, model.config.channels() * spec::DramChannelBytes, true, true},
        {spec::TileBase, Address{model.config.num_rows} << spec::TileRowShift, true, true},
    };
    model.tiles.push_back(std::move(program));
  }
}

}  // namespace systole::compile
