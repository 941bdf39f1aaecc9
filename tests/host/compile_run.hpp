// Compiled models against the graph reference, for the tests of the compiler.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "host/golden/graph_reference.hpp"
#include "tests/host/run_compiled.hpp"

namespace systole::test {

/// Fails at the first element in which two tensors differ.
inline void require_equal(const Tensor& got, const Tensor& wanted, const std::string& name) {
  REQUIRE(got.type() == wanted.type());
  REQUIRE(got.shape() == wanted.shape());
  if (got.bytes() == wanted.bytes()) return;
  const std::size_t size = element_size(got.type());
  std::size_t wrong = 0, first = got.bytes().size();
  for (std::size_t i = 0; i < got.bytes().size(); i += size) {
    if (std::memcmp(&got.bytes()[i], &wanted.bytes()[i], size) == 0) continue;
    if (wrong++ == 0) first = i / size;
  }
  float a = 0, b = 0;
  if (got.type() == DataType::F32) {
    a = got.data<float>()[first], b = wanted.data<float>()[first];
  } else {
    a = static_cast<float>(got.integer(static_cast<int64_t>(first)));
    b = static_cast<float>(wanted.integer(static_cast<int64_t>(first)));
  }
  INFO(name << ": " << wrong << " of " << got.size() << " elements differ, the first is " << first
            << ": got " << a << ", wanted " << b << ", shape " << to_string(got.shape()));
  FAIL("wrong result");
}

/// Compiles, runs in order and in `seeds` random orders, compares with the graph reference.
inline void check_graph(const graph::Graph& graph, const ChipConfig& config, unsigned tiles,
                        const std::vector<graph::Tensors>& records,
                        const std::vector<uint64_t>& seeds, unsigned page_commands = 0,
                        std::optional<compile::Division> division = {}) {
  compile::CompileOptions options;
  options.use_tiles = tiles;
  options.page_commands = page_commands;
  options.division = division;
  const compile::CompiledModel model = compile::compile(graph, config, options);
  INFO(graph::describe(graph) << config.name << ", " << tiles << " tiles, pages of "
                              << page_commands << ", " << model.division.groups << " groups, "
                              << model.division.in_flight << " in flight");
  std::vector<graph::Tensors> wanted;
  for (const graph::Tensors& record : records) wanted.push_back(golden::run(graph, record));
  std::vector<uint64_t> orders = {0};
  orders.insert(orders.end(), seeds.begin(), seeds.end());
  for (const uint64_t seed : orders) {
    INFO("order " << seed);
    const auto got = run_compiled(model, records, seed);
    for (std::size_t r = 0; r < records.size(); ++r) {
      for (const auto& [name, tensor] : wanted[r]) {
        require_equal(got[r].at(name), tensor, "record " + std::to_string(r) + " " + name);
      }
    }
  }
}

}  // namespace systole::test
