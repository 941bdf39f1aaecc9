// One of the two meshes, flit by flit: what rtl/noc does in a cycle, without data.
#pragma once

#include <cstdint>
#include <vector>

#include "host/timing/flit.hpp"

namespace systole::timing {

/// What a node shows its router in a cycle, and what the router shows it. A node without anything
/// to send leaves `offer` null.
struct Endpoint {
  // in
  const Flit* offer = nullptr;
  bool ready = true;  // takes a flit in this cycle
  // out
  bool offered = false;  // a flit was there for the node, taken or not
  Flit flit;             // the last one that was delivered
};

/// Routers of a mesh. Turns begin as loading leaves them: the last packets came from
/// the io node, their responses went there.
/// A cycle is plan(), which looks at the state and at the endpoints, then
/// move().
class Network {
 public:
  Network(unsigned cols, unsigned rows, bool requests);

  Endpoint& endpoint(unsigned node) { return endpoints_[node]; }
  void plan();
  void move();
  /// Nodes whose offers were taken in the cycle, and those that got a flit: after move().
  const std::vector<uint16_t>& taken() const { return entering_; }
  const std::vector<uint16_t>& delivered() const { return delivered_; }
  /// No flit is under way. What an endpoint offers is not in the network yet.
  bool idle() const { return flits_ == 0; }

 private:
  static constexpr unsigned kPorts = 5;
  enum Port : unsigned { North, East, South, West, Local };

  struct Router {
    Queue<Flit, 2> in[kPorts];
    uint8_t held = 0;             // inputs with flits
    uint8_t holding = 0;          // outputs in the middle of a packet
    uint8_t hold[kPorts] = {};    // input whose packet an output is in the middle of
    uint8_t behind[kPorts] = {};  // inputs behind the one served last
    unsigned neighbour[4] = {};
    std::vector<Port> route;  // to each node
  };
  struct Move {
    uint16_t node;
    uint8_t in, out;
  };

  void plan(unsigned node, Router& router);
  bool may_leave(unsigned node, const Router& router, unsigned out);
  void push(Router& router, unsigned in, const Flit& flit);

  unsigned flits_ = 0;
  std::vector<Router> routers_;
  std::vector<Endpoint> endpoints_;
  std::vector<Move> moves_;
  std::vector<uint16_t> entering_, delivered_;
};

}  // namespace systole::timing
