"""Templates of scalar expressions by the kind of their value, for expressions_test.py; {kind} is any expression of a kind.

Unlike scalars.py they may fail at run time: then Weir must leave out the same rows as PostgreSQL.
"""
COLUMNS = {"int": ["i", "id"], "bigint": ["j"], "num": ["n", "m"], "dbl": ["f"], "text": ["s", "u"], "bool": ["b"],
           "date": ["d"], "ts": ["ts"], "interval": ["iv"], "json": ["js"],
           "ints": ["ARRAY[i, id]", "ARRAY[id % 3, 1, NULL, id % 3]"], "texts": ["ARRAY[s, u]", "string_to_array(s, 'l')"],
           "jsonb": ["js::jsonb"], "bytea": ["convert_to(s, 'UTF8')", "u::bytea"]}
CONSTANTS = {"int": ["0", "1", "7", "-3", "2147483647"], "bigint": ["4294967296", "-1::bigint", "9223372036854775807"],
             "num": ["0.5", "-12.345", "99999.99", "0.00"], "dbl": ["0.25::float8", "-1e10::float8", "3::float8"],
             "text": ["'abc'", "''", "'12'", "'a_b%'", "'Straße'", "' x '"], "bool": ["true", "false"],
             "date": ["date '2024-02-29'", "date '1970-01-01'"],
             "ts": ["timestamp '2024-02-29 23:59:59.999999'", "timestamp '1999-12-31 00:00:00'"],
             "interval": ["interval '1 day 02:03:04'", "interval '-1 mon'", "interval '36 hours'"],
             "ints": ["'{1,NULL,3}'::int[]", "ARRAY[]::int[]", "'{0,1,1}'::int[]", "ARRAY[7]"],
             "texts": ["'{a,\"b c\",NULL,\"\"}'::text[]", "ARRAY[]::text[]", "ARRAY['abc', 'NULL', 'q\"']"],
             "json": ["'{\"a\": 1}'::json", "'[1, 2.5, \"x\"]'::json"],
             "jsonb": ["'{\"a\": 1, \"b\": [1, {\"x\": null}]}'::jsonb", "'[\"a\", 1.0, [\"b\"], 1e2]'::jsonb", "'\"abc\"'::jsonb",
                       "'{}'::jsonb", "'1'::jsonb", "'{\"\\u0061bc\": {\"a\": \"t\"}}'::jsonb"],
             "bytea": ["'\\x00ff5c'::bytea", "'ab\\\\c'::bytea", "''::bytea"]}
TEMPLATES = {
    "int": ["{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} / {int}", "{int} % {int}", "-{int}", "+{int}", "abs({int})",
            "{bigint}::int", "{num}::int", "{dbl}::int", "{bool}::int", "{text}::int", "length({text})", "char_length({text})",
            "octet_length({text})", "position({text} in {text})", "strpos({text}, {text})", "ascii({text})", "{date} - {date}",
            "extract(year from {ts})::int", "extract(dow from {date})::int", "extract(doy from {ts})::int",
            "extract(week from {ts})::int", "extract(quarter from {date})::int", "sign({int})::int", "{int} & {int}",
            "{int} | {int}", "{int} # {int}", "~{int}", "({int} % 8) << 3", "{int} >> 2", "mod({int}, {int})",
            "({ints})[{int}]", "({ints})[1]", "cardinality({ints})", "array_length({texts}, 1)", "array_position({ints}, {int})",
            "array_position({texts}, {text})", "array_upper({ints}, 1)", "(ARRAY[{int}, {int}])[2]", "array_ndims({texts})",
            "(ROW({int}, {text})::text)::varchar(1)::int", "json_array_length({json})", "({json} ->> 'a')::int", "gcd({int}, {int})",
            "lcm({int}, {int})", "@ {int}", "jsonb_array_length({jsonb})", "num_nulls({int}, {text}, {bool}, {jsonb}, {ints})",
            "num_nonnulls({num}, {date}, NULL)", "min_scale({num}::numeric(20, 3))", "regexp_count({text}, '[a-l]', 1 + abs({int} % 4))",
            "regexp_count({text}, '[a-l]', {int} % 3, 'i')", "get_byte({bytea}, {int} % 4)", "get_bit({bytea}, {int} % 20)",
            "length({bytea})", "width_bucket({num}, -5.0, 50.5, 7)", "width_bucket({num}, 50.5, -5.0, {int} % 9)",
            "width_bucket({int}, {ints})", "width_bucket({dbl}, ARRAY[-5, 0.5, 99])"],
    "bigint": ["{bigint} + {int}", "{bigint} - {bigint}", "{bigint} * {bigint}", "{bigint} / {int}", "{bigint} % {bigint}",
               "-{bigint}", "abs({bigint})", "{int}::bigint", "{num}::bigint", "{dbl}::bigint", "{text}::bigint", "{int} * {bigint}",
               "{bigint} & {bigint}", "{bigint} | {int}", "mod({bigint}, {bigint})",
               "@ {bigint}", "to_number({text}, '99999')::bigint", "lcm({bigint}, {int})"],
    "num": ["{num} + {num}", "{num} - {int}", "{num} * {num}", "{num} / {num}", "{num} % {num}", "-{num}", "abs({num})",
            "round({num}, 1)", "round({num}, -2)", "round({num})", "trunc({num}, 1)", "trunc({num})", "ceil({num})", "floor({num})",
            "{int}::numeric", "{bigint}::numeric", "{text}::numeric(20, 3)", "{num} * {bigint}", "sign({num})",
            "extract(epoch from {ts})", "extract(second from {ts})", "extract(epoch from {interval})", "extract(hour from {interval})",
            "mod({num}, {num})", "{int} / {num}", "{num}::numeric(10, 1)", "@ {num}", "gcd({num}::numeric(12, 2), {num}::numeric(12, 1))",
            "lcm({num}::numeric(8, 2), {num}::numeric(8, 1))", "to_number({text}, '9G999D99')", "to_number({text}, 'SL9,9 9.9')", "to_number({text}, 'FM99V9MI')",
            "to_number({num}::numeric(20, 2)::text, 'S999999999999999999D99')", "to_number({int}::text || '-', '9999999999MI')",
            "to_number('<' || {int}::text || '>', '\"x\"999PR')", "to_number({text}, {text})"],
    "dbl": ["{dbl} + {dbl}", "{dbl} - {int}", "{dbl} * {dbl}", "{dbl} / {dbl}", "-{dbl}", "abs({dbl})", "sqrt({dbl})", "exp({dbl})",
            "ln({dbl})", "power({dbl}, {int})", "{dbl} ^ 2", "round({dbl})", "trunc({dbl})", "ceil({dbl})", "floor({dbl})", "sign({dbl})",
            "{int}::float8", "{bigint}::float8", "{num}::float8", "{text}::float8", "sin({dbl})", "atan2({dbl}, {dbl})", "cbrt({dbl})",
            "degrees({dbl})", "log10(abs({dbl}))", "pi() * {dbl}", "@ {dbl}"],
    "text": ["{text} || {text}", "upper({text})", "lower({text})", "initcap({text})", "trim({text})", "ltrim({text})",
             "rtrim({text}, 'abc')", "btrim({text}, ' x')", "substr({text}, 2)", "substring({text} from 2 for 3)",
             "substr({text}, {int} % 10, 4)", "left({text}, {int} % 5)", "right({text}, 2)", "replace({text}, {text}, 'Z')",
             "reverse({text})", "repeat({text}, {int} % 4)", "lpad({text}, 6, '*')", "rpad({text}, {int} % 9)", "translate({text}, 'abc', 'xy')",
             "split_part({text}, 'b', 2)", "overlay({text} placing 'QQ' from 2 for 1)", "concat({text}, {int}, {bool})",
             "concat_ws('-', {text}, {date}, {text})", "md5({text})", "{int}::text", "{bigint}::text", "{bool}::text", "{date}::text",
             "{ts}::text", "{interval}::text", "{num}::numeric(20, 2)::text", "to_hex({int})", "chr(65 + abs({int} % 26))",
             "quote_literal({text})", "starts_with({text}, {text})::text", "format('%s|%s', {text}, {int})", "{json} ->> 'a'",
             "to_char({ts}, 'YYYY-MM-DD HH24:MI:SS')", "to_char({date}, 'Day, DD Mon YYYY')", "to_char({int}, '999,999')", "to_char({int}, '9999999999th')", "to_char({num}::numeric(12, 2), '9999999999V9')",
             "to_char({int} % 5000, 'RN')", "to_char({bigint}, '9.99999EEEE')", "to_char({dbl}, '9.999EEEE')", "to_char({int}, 'SG999PL')",
             "to_char({num}::numeric(12, 2), '9.999EEEE')", "to_char({int}, 'FM9\"x\"99thS')", "to_char({int}, 'MI99\"k\"999')",
             "to_char({ts}, 'TMDay FMDDth TMMonth FXYYYY RM Q IW')", "to_char({interval}, 'YYYY-MM-DD HH24:MI:SS.MS rm')",
             "to_char({ts}, '\\\"DDSP\\\" \"a\\\\b\" CC TZH:TZM')", "format('%5s|%-4s|%L', {text}, {int}, {text})",
             "format('%*s|', {int} % 9, {text})", "regexp_replace({text}, '[aeiou]', '#', 2, 1)",
             "substring({text} similar '%#\"[a-o]+#\"%' escape '#')",
             "({texts})[{int} % 3]", "array_to_string({texts}, '-')", "array_to_string({ints}, ',', '*')", "{ints}::text",
             "{texts}::text", "ROW({int}, {text}, {bool}, {ints})::text", "array_to_string(ARRAY[{bool}, {bool}], '')",
             "jsonb_pretty({jsonb})", "jsonb_typeof({jsonb})", "pg_typeof({ints})::text", "pg_typeof({bytea})::text",
             "encode({bytea}, 'hex')", "encode({bytea}, 'base64')", "encode({bytea}, 'escape')", "convert_from({bytea}, 'UTF8')",
             "quote_ident({text})", "quote_nullable({int})", "quote_nullable({text})", "quote_literal({date})",
             "regexp_substr({text}, '[a-o]+', 1 + abs({int} % 3), 1 + abs({int} % 3))",
             "regexp_substr({text}, '([a-o])(l)?', {int} % 4, 1, 'i', 2)", "(regexp_match({text}, '([a-z])([a-z])?'))[2]",
             "format('%I', {text})", "json_extract_path_text({json}, 'b', '2')",
             "regexp_replace({text}, '[aeiou]', '#')", "CASE {int} % 3 WHEN 0 THEN {text} WHEN 1 THEN 'one' END"],
    "bool": ["{int} = {int}", "{int} < {bigint}", "{num} >= {int}", "{dbl} > {num}", "{dbl} = {dbl}", "{text} < {text}", "{text} = {text}",
             "{ts} > {ts}", "{date} <= {ts}", "{interval} < {interval}", "{bool} AND {bool}", "{bool} OR {bool}", "NOT {bool}",
             "{bool} IS TRUE", "{bool} IS NOT FALSE", "{bool} IS UNKNOWN", "{int} IS NULL", "{text} IS NOT NULL",
             "{int} IS DISTINCT FROM {int}", "{dbl} IS NOT DISTINCT FROM {dbl}", "{int} BETWEEN {int} AND {int}",
             "{int} BETWEEN SYMMETRIC {int} AND {int}", "{int} IN (1, {int}, NULL)", "{text} NOT IN ('abc', {text})", "{text} LIKE '%b%'",
             "{text} LIKE {text}", "{text} ILIKE 'A%'", "{text} NOT LIKE '_'", "{text} ~ '^[a-c]'", "{text} ~* 'S'", "{text} !~ 'x'",
             "starts_with({text}, 'a')", "{text} SIMILAR TO 'a(b|c)%'", "{text} SIMILAR TO 'a!%%' ESCAPE '!'", "{text} ^@ 'a'",
             "regexp_instr({text}, 'b+', 1, 1) > 1", "{bool} = {bool}", "{bool} > {bool}", "{int}::bool",
             "{bigint} <> {num}", "{ints} = {ints}", "{ints} <> {ints}", "{texts} < {texts}", "{ints} >= {ints}", "{ints} @> {ints}",
             "{texts} <@ {texts}", "{ints} && {ints}", "{int} = ANY ({ints})", "{int} <> ALL ({ints})", "{text} = ANY ({texts})",
             "{int} < ANY ({ints})", "{int} >= ALL ({ints})", "{text} > ALL ({texts})", "{text} LIKE ANY (ARRAY[{text}, 'a%'])",
             "{ints} IS NULL", "{texts} IS DISTINCT FROM {texts}", "{ints} IN ({ints}, {ints})", "{ints} BETWEEN {ints} AND {ints}",
             "({int}, {text}) = ({int}, {text})", "({int}, {text}) < ({int}, {text})", "({int}, {int}) IN (({int}, {int}), (1, 2))",
             "({int}, {text}) IS DISTINCT FROM ({int}, {text})", "ROW({int}, {text}) IS NULL", "ROW({int}, {bool}) IS NOT NULL",
             "{jsonb} @> {jsonb}", "{jsonb} <@ {jsonb}", "{jsonb} ? {text}", "{jsonb} ?| {texts}", "{jsonb} ?& {texts}",
             "({ts}, {interval}) OVERLAPS ({ts}, {ts})", "({date}, {ts}) OVERLAPS ({ts}, {interval})", "{bytea} = {bytea}"],
    "ints": ["ARRAY[{int}, {int}]", "{ints} || {ints}", "{ints} || {int}", "{int} || {ints}", "array_append({ints}, {int})",
             "array_prepend({int}, {ints})", "array_cat({ints}, {ints})", "array_remove({ints}, {int})", "array_replace({ints}, {int}, {int})",
             "({ints})[2:3]", "({ints})[{int} % 4:]", "({ints})[:{int} % 4]", "array_positions({ints}, {int})", "{ints}::bigint[]::int[]",
             "{ints}::text::int[]", "{texts}::int[]", "trim_array({ints}, {int} % 3)", "array_fill({int}, ARRAY[{int} % 4])",
             "array_fill({int}, {ints}, '{1}')", "ARRAY[{bigint}, {num}]::int[]"],
    "texts": ["ARRAY[{text}, {text}]", "{texts} || {texts}", "{texts} || {text}", "array_remove({texts}, {text})", "array_append({texts}, {text})",
              "string_to_array({text}, 'b')", "string_to_array({text}, NULL)", "string_to_array({text}, ' ', '')", "{ints}::text[]",
              "{texts}::text::text[]", "({texts})[{int} % 2:2]", "array_replace({texts}, {text}, {text})", "{text}::text[]",
              "regexp_match({text}, '([a-z])(l)?')", "regexp_match({text}, 'L|b', 'i')", "array_fill({text}::text, ARRAY[2])"],
    "date": ["{date} + {int} % 1000", "{date} - {int} % 1000", "{ts}::date", "{text}::date", "make_date(2000 + {int} % 50, 1 + abs({int} % 12), 5)"],
    "ts": ["{ts} + {interval}", "{ts} - {interval}", "{date} + {interval}", "{date}::timestamp", "date_trunc('hour', {ts})",
           "date_trunc('month', {ts})", "date_trunc('week', {ts})", "date_trunc('quarter', {date}::timestamp)", "{text}::timestamp",
           "date_bin('15 minutes', {ts}, timestamp '2001-01-01')"],
    "interval": ["{ts} - {ts}", "{interval} + {interval}", "{interval} - {interval}", "{interval} * {int}", "-{interval}",
                 "{int} * interval '1 minute'", "justify_hours({interval})", "age({ts}, {ts})", "{text}::interval",
                 "make_interval({int} % 100, {int} % 100, 0, {int} % 1000, {int} % 1000, {int} % 1000, ({int} % 1000)::float8 / 7)",
                 "make_interval(hours => {int} % 99, secs => {int})"],
    "json": ["{json} -> 'b'", "{json} -> 0", "{json} -> 'c' -> 'd'", "json_build_array({int}, {text}, {bool}, {ints})",
             "json_build_object({text}, {int}, 'x', {json})", "json_strip_nulls({json})", "json_extract_path({json}, 'b', '1')",
             "{json} #> ARRAY['b', '0']", "to_json({ints})", "to_json({text}::text)"],
    "jsonb": ["jsonb_set({jsonb}, ARRAY['b', '1'], {jsonb}, {bool})", "jsonb_set({jsonb}, '{a}', {jsonb})", "jsonb_set({jsonb}, {texts}, {jsonb})",
              "jsonb_insert({jsonb}, ARRAY[{text}], {jsonb})", "jsonb_insert({jsonb}, '{b,0}', {jsonb}, {bool})",
              "jsonb_insert({jsonb}, ARRAY[({int} % 4)::text], {jsonb}, {bool})", "{jsonb} - {text}", "{jsonb} - {int} % 3", "{jsonb} - {texts}",
              "{jsonb} #- '{b,0}'", "{jsonb} #- {texts}", "{jsonb} || {jsonb}", "jsonb_strip_nulls({jsonb})", "to_jsonb({int})",
              "to_jsonb({text}::text)", "to_jsonb({ints})", "to_jsonb({bool})", "to_jsonb({date})", "jsonb_build_array({jsonb}, {text}, {dbl})",
              "jsonb_build_object({text}, {jsonb}, 'k', {int})", "jsonb_extract_path({jsonb}, 'b', '0')", "{jsonb} #> ARRAY['c', {text}]",
              "{jsonb} -> 'b'", "to_jsonb({json} -> {int} % 3)"],
    "bytea": ["decode({text}, 'base64')", "decode({text}, 'hex')", "decode({text}, 'escape')", "decode(encode({bytea}, 'base64'), 'base64')",
              "{text}::bytea", "{bytea} || {bytea}", "set_byte({bytea}, {int} % 3, {int})", "set_bit({bytea}, {int} % 9, abs({int} % 3))",
              "sha224({bytea})", "sha256({bytea})", "sha384({bytea})", "sha512({bytea})", "convert_to({text}, 'utf-8')"],
}
ANY = ["coalesce({k}, {k})", "nullif({k}, {k})", "greatest({k}, {k})", "least({k}, {k}, {k})", "CASE WHEN {bool} THEN {k} ELSE {k} END",
       "CASE WHEN {bool} THEN {k} END"]


def generate(c, kind: str, depth: int) -> str:
    """An expression of a kind; c: Choices."""
    if depth <= 0 or c.chance(10):
        return c.pick(COLUMNS[kind] if c.chance(75) else CONSTANTS[kind])
    plain = [t for t in ANY if "greatest" not in t and "least" not in t] if kind in ("ints", "texts", "bytea") else ANY
    if kind == "jsonb":  # it has no order here
        plain = [t for t in ANY if "coalesce" in t or "CASE" in t]
    templates = TEMPLATES[kind] + ([] if kind == "json" else plain)
    text = c.pick(templates).replace("{k}", "{" + kind + "}")
    out, at = "", 0
    while (begin := text.find("{", at)) >= 0:
        end = text.find("}", begin)
        out += text[at:begin]
        inner = text[begin + 1:end]
        if inner not in TEMPLATES:  # a brace of its own
            out, at = out + text[begin:end + 1], end + 1
            continue
        value = generate(c, inner, depth - 1)
        out += value if value.isidentifier() or value.isdigit() else f"({value})"
        at = end + 1
    return out + text[at:]
