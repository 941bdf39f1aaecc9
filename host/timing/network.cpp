#include "host/timing/network.hpp"

namespace systole::timing {

namespace {

/// Bit `i` of a set of ports.
uint8_t bit(unsigned i) { return static_cast<uint8_t>(1u << i); }

/// What an arbiter holds that has served `input` last: those behind it go first.
uint8_t others_first(unsigned input) { return static_cast<uint8_t>(~((2u << input) - 1)); }

}  // namespace

Network::Network(unsigned cols, unsigned rows, bool requests)
    : routers_(cols * rows), endpoints_(cols * rows) {
  for (unsigned node = 0; node < routers_.size(); ++node) {
    Router& router = routers_[node];
    const unsigned x = node % cols, y = node / cols;
    // Along the row, then along the column.
    for (unsigned to = 0; to < routers_.size(); ++to) {
      const unsigned to_x = to % cols, to_y = to / cols;
      const Port column = to_y > y ? South : to_y < y ? North : Local;
      router.route.push_back(to_x > x ? East : to_x < x ? West : column);
    }
    router.neighbour[North] = node - cols;
    router.neighbour[East] = node + 1;
    router.neighbour[South] = node + cols;
    router.neighbour[West] = node - 1;
    if (requests) {
      const unsigned from_io = y > 0 ? North : x > 0 ? West : Local;
      for (uint8_t& behind : router.behind) behind = others_first(from_io);
    } else {
      router.behind[West] = others_first(x + 1 < cols ? East : Local);
      router.behind[North] = others_first(y + 1 < rows ? South : East);
    }
  }
}

void Network::plan() {
  moves_.clear();
  entering_.clear();
  const auto nodes = static_cast<unsigned>(routers_.size());
  for (unsigned node = 0; node < nodes; ++node) {
    Endpoint& endpoint = endpoints_[node];
    endpoint.offered = false;
    Router& router = routers_[node];
    if (endpoint.offer != nullptr && router.in[Local].has_room())
      entering_.push_back(static_cast<uint16_t>(node));
    if (router.held != 0) plan(node, router);
  }
}

bool Network::may_leave(unsigned node, const Router& router, unsigned out) {
  if (out != Local) return routers_[router.neighbour[out]].in[(out + 2) % 4].has_room();
  endpoints_[node].offered = true;
  return endpoints_[node].ready;
}

void Network::plan(unsigned node, Router& router) {
  uint8_t wanted[kPorts] = {};
  unsigned outs = router.holding;
  for (unsigned inputs = router.held; inputs != 0; inputs &= inputs - 1) {
    const auto in = static_cast<unsigned>(__builtin_ctz(inputs));
    const Flit& flit = router.in[in].front();
    if (!flit.head) continue;
    const Port out = router.route[flit.to];
    wanted[out] |= bit(in);
    outs |= bit(out);
  }
  for (; outs != 0; outs &= outs - 1) {
    const auto out = static_cast<unsigned>(__builtin_ctz(outs));
    unsigned grant = router.hold[out] & router.held;
    if (router.hold[out] == 0) {
      grant = wanted[out] & router.behind[out];
      if (grant == 0) grant = wanted[out];
      grant &= -grant;
    }
    if (grant == 0) continue;
    const auto in = static_cast<unsigned>(__builtin_ctz(grant));
    const bool leaves = may_leave(node, router, out);
    const bool ends = leaves && router.in[in].front().last;
    router.hold[out] = static_cast<uint8_t>(ends ? 0 : grant);
    if (ends) {
      router.holding &= static_cast<uint8_t>(~bit(out));
    } else {
      router.holding |= bit(out);
    }
    if (ends) router.behind[out] = others_first(in);
    if (leaves)
      moves_.push_back(
          {static_cast<uint16_t>(node), static_cast<uint8_t>(in), static_cast<uint8_t>(out)});
  }
}

void Network::push(Router& router, unsigned in, const Flit& flit) {
  router.in[in].push(flit);
  router.held |= bit(in);
}

void Network::move() {
  delivered_.clear();
  // A queue takes a flit only if it had room when the cycle began, whoever leaves it in this one.
  for (const Move& move : moves_) {
    Router& router = routers_[move.node];
    Queue<Flit, 2>& from = router.in[move.in];
    const Flit flit = from.front();
    from.pop();
    if (from.empty()) router.held &= static_cast<uint8_t>(~bit(move.in));
    if (move.out == Local) {
      --flits_;
      delivered_.push_back(move.node);
      endpoints_[move.node].flit = flit;
    } else {
      push(routers_[router.neighbour[move.out]], (move.out + 2) % 4, flit);
    }
  }
  for (const uint16_t node : entering_) {
    push(routers_[node], Local, *endpoints_[node].offer);
    ++flits_;
  }
}

}  // namespace systole::timing
