// Buffers and their accounting.
#include "runtime/column/buffer.hpp"

#include <doctest/doctest.h>
#include <thread>
#include <vector>

using namespace weir;

TEST_CASE("own buffers are aligned, padded and charged until the last reference is gone") {
  memory_pool pool;
  for (size_t bytes :
       {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{1000}, size_t{5} << 20}) {
    CAPTURE(bytes);
    auto b = buffer::allocate(pool, bytes);
    CHECK(b);
    CHECK(b.size() == bytes);
    CHECK(b.padded());
    CHECK(b.unique());
    CHECK(reinterpret_cast<uintptr_t>(b.data()) % buffer::alignment == 0);
    CHECK(pool.used(memory_kind::batch) >= bytes);
    std::memset(b.mutable_as<char>(), 1, bytes + buffer::alignment);  // the slack is writable
    auto part = b.slice(bytes / 2, bytes - bytes / 2);
    CHECK(!b.unique());
    b = {};
    CHECK(!b);
    CHECK(pool.used() > 0);
    CHECK(part.unique());
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("the word past the end of a fresh buffer is zero, although its memory was used before") {
  memory_pool pool;
  for (int i = 0; i < 4; ++i) {
    auto b = buffer::allocate(pool, 100);
    for (int k = 100; k < 108; ++k) CHECK(b.as<uint8_t>()[k] == 0);
    std::memset(b.mutable_as<char>(), 0xee, 164);
  }
  auto z = buffer::allocate_zero(pool, 100);
  for (int k = 0; k < 128; ++k) CHECK(z.as<uint8_t>()[k] == 0);
}

TEST_CASE("wrapped memory keeps its owner and is charged when asked") {
  memory_pool pool;
  auto owner = std::make_shared<std::vector<std::byte>>(100);
  std::weak_ptr<void> alive = owner;
  auto free_of_charge = buffer::wrap(*owner, owner);
  CHECK(pool.used() == 0);
  auto charged = buffer::wrap(*owner, owner, &pool);
  CHECK(pool.used() == 100);
  CHECK(!charged.padded());
  CHECK(charged.data() == owner->data());
  owner.reset();
  free_of_charge = {};
  CHECK(!alive.expired());
  charged = {};
  CHECK(alive.expired());
  CHECK(pool.used() == 0);
}

TEST_CASE("buffers may be dropped by another thread") {
  memory_pool pool;
  std::vector<buffer_ref> made;
  for (size_t i = 0; i < 500; ++i) made.push_back(buffer::allocate(pool, i * 10));
  auto copies = made;
  std::thread other([moved = std::move(made)]() mutable { moved.clear(); });
  copies.clear();
  other.join();
  CHECK(pool.used() == 0);
}

TEST_CASE("memory_pool: pressure and state charges") {
  memory_pool pool(1000);
  CHECK(!pool.under_pressure());
  state_charge a(&pool);
  a.set(800);
  CHECK(!pool.under_pressure());
  pool.charge(memory_kind::batch, 300);
  CHECK(pool.under_pressure());
  CHECK(!pool.state_over_limit());
  state_charge b = std::move(a);
  a.set(0);
  CHECK(b.bytes() == 800);
  b.set(1200);
  CHECK(pool.state_over_limit());
  b = state_charge();
  CHECK(pool.used(memory_kind::state) == 0);
  pool.charge(memory_kind::batch, -300);
  CHECK(pool.used() == 0);
}
