#!/usr/bin/env bash
# Kafka's own command-line tools (and so the Java clients): tools.sh LIB_FOLDER HOST:PORT
set -euo pipefail
lib=$1 address=$2
tool() {
    java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -XX:TieredStopAtLevel=1 -cp "$lib/*" \
        "org.apache.kafka.tools.$1" --bootstrap-server "$address" "${@:2}"
}
same() {  # WHAT GOT WANTED
    if [ "$2" != "$3" ]; then
        printf 'FAIL %s: got\n%s\ninstead of\n%s\n' "$1" "$2" "$3"
        exit 1
    fi
    echo "ok   $1"
}

tool TopicCommand --create --topic tools --partitions 3 --config retention.ms=3600000 >/dev/null
tool TopicCommand --alter --topic tools --partitions 4
same describe "$(tool TopicCommand --describe --topic tools | grep -c 'Leader: 1.*Replicas: 1.*Isr: 1')" 4
same list "$(tool TopicCommand --list | grep -x tools)" tools

for codec in none gzip snappy lz4 zstd; do
    seq 1 200 | sed "s/.*/$codec-&:value &/" | tool ConsoleProducer --topic tools \
        --compression-codec $codec --reader-property parse.key=true --reader-property key.separator=:
done
for protocol in classic consumer; do
    got=$(tool consumer.ConsoleConsumer --topic tools --from-beginning --max-messages 1000 --group $protocol \
        --consumer-property group.protocol=$protocol --formatter-property print.key=true 2>/dev/null |
        grep "value" | sort -u | wc -l)
    same "group $protocol" "$got" 1000
    same "lag of $protocol" \
        "$(tool consumer.group.ConsumerGroupCommand --describe --group $protocol 2>/dev/null |
            awk '$2 == "tools" { n += $4; lag += $6 } END { print n, lag }')" "1000 0"
done
tool consumer.group.ConsumerGroupCommand --group classic --topic tools --reset-offsets --to-earliest \
    --execute >/dev/null 2>&1
same "reset offsets" "$(tool consumer.group.ConsumerGroupCommand --describe --group classic 2>/dev/null |
    awk '$2 == "tools" { n += $4 } END { print n }')" 0
tool consumer.group.ConsumerGroupCommand --delete --group classic >/dev/null
same "groups" "$(tool consumer.group.ConsumerGroupCommand --list | sort | tr '\n' ' ')" "consumer "
same offsets "$(tool GetOffsetShell --topic tools --time latest | awk -F: '{ n += $3 } END { print n }')" 1000
printf '{"partitions": [{"topic": "tools", "partition": 0, "offset": -1}], "version": 1}' >"$lib/cut.json"
tool DeleteRecordsCommand --offset-json-file "$lib/cut.json" >/dev/null
same "delete records" \
    "$(tool GetOffsetShell --topic-partitions tools:0 --time earliest)" \
    "$(tool GetOffsetShell --topic-partitions tools:0 --time latest)"
tool TopicCommand --delete --topic tools
same "delete" "$(tool TopicCommand --list | grep -cx tools || true)" 0
