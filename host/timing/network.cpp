#include "host/timing/network.hpp"

namespace systole::timing {

namespace {

/// What an arbiter holds that has served `input` last: those behind it go first.
uint8_t others_first(unsigned input) { return static_cast<uint8_t>(~((2u << input) - 1)); }

}  // namespace

Network::Network(unsigned cols, unsigned rows, bool requests)
    : cols_(cols), routers_(cols * rows), endpoints_(cols * rows) {
  for (unsigned node = 0; node < routers_.size(); ++node) {
    Router& router = routers_[node];
    router.x = node % cols;
    router.y = node / cols;
    router.neighbour[North] = node - cols;
    router.neighbour[East] = node + 1;
    router.neighbour[South] = node + cols;
    router.neighbour[West] = node - 1;
    if (requests) {
      const unsigned from_io = router.y > 0 ? North : router.x > 0 ? West : Local;
      for (uint8_t& behind : router.behind) behind = others_first(from_io);
    } else {
      router.behind[West] = others_first(router.x + 1 < cols ? East : Local);
      router.behind[North] = others_first(router.y + 1 < rows ? South : East);
    }
  }
}

/// Along the row, then along the column.
Network::Port Network::route(const Router& router, unsigned to) const {
  const unsigned x = to % cols_;
  const unsigned y = to / cols_;
  if (x != router.x) return x > router.x ? East : West;
  if (y != router.y) return y > router.y ? South : North;
  return Local;
}

void Network::plan() {
  moves_.clear();
  entering_.clear();
  for (unsigned node = 0; node < routers_.size(); ++node) {
    Endpoint& endpoint = endpoints_[node];
    endpoint.taken = endpoint.offered = endpoint.delivered = false;
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
  for (unsigned inputs = router.held; inputs != 0; inputs &= inputs - 1) {
    const auto in = static_cast<unsigned>(__builtin_ctz(inputs));
    const Flit& flit = router.in[in].front();
    if (flit.head) wanted[route(router, flit.to)] |= static_cast<uint8_t>(1u << in);
  }
  for (unsigned out = 0; out < kPorts; ++out) {
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
    if (ends) router.behind[out] = others_first(in);
    if (leaves)
      moves_.push_back(
          {static_cast<uint16_t>(node), static_cast<uint8_t>(in), static_cast<uint8_t>(out)});
  }
}

void Network::push(Router& router, unsigned in, const Flit& flit) {
  router.in[in].push(flit);
  router.held |= static_cast<uint8_t>(1u << in);
}

void Network::move() {
  // A queue takes a flit only if it had room when the cycle began, whoever leaves it in this one.
  for (const Move& move : moves_) {
    Router& router = routers_[move.node];
    Queue<Flit, 2>& from = router.in[move.in];
    const Flit flit = from.front();
    from.pop();
    if (from.empty()) router.held &= static_cast<uint8_t>(~(1u << move.in));
    if (move.out == Local) {
      --flits_;
      endpoints_[move.node].delivered = true;
      endpoints_[move.node].flit = flit;
    } else {
      push(routers_[router.neighbour[move.out]], (move.out + 2) % 4, flit);
    }
  }
  for (const uint16_t node : entering_) {
    push(routers_[node], Local, *endpoints_[node].offer);
    endpoints_[node].taken = true;
    ++flits_;
  }
}

}  // namespace systole::timing
