// A shared library that is none of custom operators.
extern "C" int weir_something_else() {
  return 1;
}
