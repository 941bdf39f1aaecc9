#include "host/app/failure.hpp"

namespace systole::app {

std::optional<ChipFailure> failure_of(const Error& error, const SimulatedChip& chip,
                                      std::optional<RequestFailure>* request) {
  if (chip.failure()) return chip.failure();
  if (const auto* failed = dynamic_cast<const RequestError*>(&error)) {
    if (request != nullptr) *request = failed->failure();
    return ChipFailure{ChipFailure::Kind::Request, chip.cycles(),
                       failed->failure().what + ": " + failed->failure().text()};
  }
  if (dynamic_cast<const FirmwareError*>(&error) != nullptr)
    return ChipFailure{ChipFailure::Kind::Boot, chip.cycles(),
                       error.problem() + ": " + error.got()};
  return std::nullopt;
}

}  // namespace systole::app
