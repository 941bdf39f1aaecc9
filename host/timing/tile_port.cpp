#include "host/timing/tile_port.hpp"

namespace systole::timing {

// -------------------------------------------------------------------------------------- requester

TileRequester::Pick TileRequester::pick(bool post, bool load, bool store) const {
  if (!requests_.has_room()) return Pick::None;
  if (in_store_) return store ? Pick::Store : Pick::None;
  if (post && posts_ != kMaxPosts) return Pick::Post;
  if (load && (load_turn_ || !store)) return Pick::Load;
  return store ? Pick::Store : Pick::None;
}

void TileRequester::send(Pick pick, const Flit& flit) {
  requests_.push(flit);
  if (pick == Pick::Post) ++posts_;
  if (pick == Pick::Load) load_turn_ = false;
  if (pick != Pick::Store) return;
  if (!in_store_) load_turn_ = true;
  in_store_ = !flit.last;
}

void TileRequester::pop_response() {
  if (responses_.front().client == Client::Post) --posts_;
  responses_.pop();
}

// ----------------------------------------------------------------------------------------- target

void TileTarget::ask(Scratchpad& scratchpad) {
  asks_ = posts_now_ = takes_write_ = false;
  const bool valid = !requests_.empty();
  if (state_ == State::Head) {
    if (!valid) return;
    packet_ = requests_.front();
    at_ = static_cast<uint32_t>(packet_.address % spec::ScratchpadBytes) / spec::FlitBytes *
          spec::FlitBytes;
    if (packet_.kind == PacketKind::Read) {
      const auto end = static_cast<uint32_t>(packet_.address % spec::FlitBytes) + packet_.bytes;
      beats_left_ = (end + spec::FlitBytes - 1) / spec::FlitBytes;
      asks_ = room();
    } else if (packet_.kind == PacketKind::Post) {
      posts_now_ = room() && !reading_;
    } else {
      takes_write_ = true;
    }
  } else {
    asks_ = room() && (state_ == State::Read || valid);
  }
  if (asks_) scratchpad.ask(Scratchpad::Ni, banks_of(at_, spec::FlitBytes));
}

Flit TileTarget::response(PacketKind kind) const {
  Flit flit;
  flit.kind = kind;
  flit.to = packet_.from;
  flit.from = node_;
  flit.client = packet_.client;
  flit.slot = packet_.slot;
  return flit;
}

bool TileTarget::step(uint32_t granted, unsigned& post) {
  const bool grant = asks_ && (granted >> Scratchpad::Ni & 1) != 0;
  const bool was_reading = reading_;
  if (reading_) responses_.push(read_);
  reading_ = false;
  if (posts_now_) {
    post = 1u << packet_.semaphore;
    responses_.push(response(PacketKind::Ack));
    requests_.pop();
  } else if (takes_write_) {
    state_ = State::Write;
    requests_.pop();
  } else if (grant && state_ == State::Write) {
    at_ += spec::FlitBytes;
    if (requests_.front().last) {
      if (packet_.posts) post = 1u << packet_.semaphore;
      responses_.push(response(PacketKind::Ack));
      state_ = State::Head;
    }
    requests_.pop();
  } else if (grant) {
    if (state_ == State::Head) requests_.pop();
    at_ += spec::FlitBytes;
    --beats_left_;
    reading_ = true;
    read_ = response(PacketKind::Data);
    read_.head = first_;
    read_.last = first_ = beats_left_ == 0;
    state_ = beats_left_ == 0 ? State::Head : State::Read;
  }
  return was_reading || posts_now_ || takes_write_ || grant;
}

}  // namespace systole::timing
