#include "runtime/plan/windows.hpp"

#include "runtime/base/units.hpp"

namespace weir {

std::string problem_of(const window_shape& s) {
  const bool stepped = s.kind == window_kind::hop || s.kind == window_kind::cumulate;
  const std::string step = s.kind == window_kind::hop ? "slide" : "step";
  const std::string size = s.kind == window_kind::session ? "the gap" : "the window's size";
  if (s.size_us <= 0) return size + " must be above 0";
  if (s.size_us > window_size_max) return size + " is too long";
  if (!stepped) return {};
  if (s.step_us <= 0) return "the " + step + " must be above 0";
  if (s.step_us > window_size_max) return "the " + step + " is too long";
  if (s.kind == window_kind::cumulate && s.size_us % s.step_us != 0)
    return "the window's size (" + format_duration_us(s.size_us) +
           ") must be a multiple of the step (" + format_duration_us(s.step_us) + ")";
  if (s.size_us / slice_width(s) > slices_per_window_max)
    return "a window of " + format_duration_us(s.size_us) + " with a " + step + " of " +
           format_duration_us(s.step_us) + " has more than " +
           std::to_string(slices_per_window_max) + " slices (" +
           format_duration_us(slice_width(s)) + " each)";
  return {};
}

}  // namespace weir
