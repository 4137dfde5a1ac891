# cmake -DOUT=FILE.cpp -DFILES="a.sql;b.sql" -P embed_queries.cmake
# The job files as texts of the binary, so that an installed weir finds them.
set(code "#include \"cluster/cli/nexmark_queries.hpp\"\n\nnamespace weir::cli {\n\n"
         "std::span<const nexmark_query> nexmark_queries() {\n  static constexpr nexmark_query all[] = {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND code "      {\"${name}\", R\"weir_sql(${text})weir_sql\"},\n")
endforeach()
string(APPEND code "  };\n  return all;\n}\n\n}  // namespace weir::cli\n")
file(WRITE ${OUT} "${code}")
