module weir/compat

go 1.24
