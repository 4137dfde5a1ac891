// Lets callbacks of other threads reach an object that may be gone: they ask the guard, and the
// object's destructor waits for those that are inside. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

namespace weir {

template <class T>
class guard {
 public:
  explicit guard(T* object) : object_(object) {}

  /// Runs `f` on the object, if it is still there.
  template <class F>
  bool enter(F&& f) {
    T* object = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (!object_) return false;
      object = object_;
      ++inside_;
    }
    f(*object);
    std::lock_guard lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
    return true;
  }
  /// From now on nobody enters, and nobody is inside.
  void close() {
    std::unique_lock lock(mutex_);
    object_ = nullptr;
    left_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  T* object_;
  int inside_ = 0;
};

}  // namespace weir
