package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func connect(address string, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	client, err := kgo.NewClient(options...)
	must(err)
	return client
}

func makeTopic(ctx context.Context, address, name string, partitions int32) {
	client := connect(address)
	defer client.Close()
	_, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, name)
	must(err)
}

// readRecords polls until count records have come.
func readRecords(ctx context.Context, client *kgo.Client, count int) []*kgo.Record {
	var got []*kgo.Record
	for len(got) < count {
		fetches := client.PollFetches(ctx)
		must(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	return got
}

func from(topic string, partition int32) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}})
}

func franzCodecs(ctx context.Context, address string) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	for name, codec := range codecs {
		topic := "franz-" + name
		makeTopic(ctx, address, topic, 1)
		producer := connect(address, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		var records []*kgo.Record
		for i := 0; i < 200; i++ {
			records = append(records, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key %d", i),
				Value: fmt.Appendf(nil, "value %0200d", i), Timestamp: time.UnixMilli(baseMs + int64(i)),
				Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(i))}, {Key: "null"}}})
		}
		records = append(records, &kgo.Record{Topic: topic, Key: []byte("gone")})
		must(producer.ProduceSync(ctx, records...).FirstErr())
		producer.Close()
		consumer := connect(address, from(topic, 0))
		got := readRecords(ctx, consumer, 201)
		consumer.Close()
		for i, r := range got[:200] {
			equal(r.Offset, int64(i))
			equal(string(r.Key), fmt.Sprintf("key %d", i))
			equal(string(r.Value), fmt.Sprintf("value %0200d", i))
			equal(string(r.Headers[0].Value), strconv.Itoa(i))
			equal(r.Headers[1].Value == nil, true)
			equal(r.Timestamp.UnixMilli(), baseMs+int64(i))
		}
		equal(string(got[200].Key), "gone")
		equal(got[200].Value == nil, true)
	}
}

type franzMember struct {
	client *kgo.Client
	lock   sync.Mutex
	have   map[int32]bool
	ended  chan struct{}
}

func (m *franzMember) change(partitions map[string][]int32, add bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, list := range partitions {
		for _, p := range list {
			if add {
				m.have[p] = true
			} else {
				delete(m.have, p)
			}
		}
	}
}

func (m *franzMember) size() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.have)
}

func franzGroup(ctx context.Context, address string) {
	const topic = "franz-group"
	makeTopic(ctx, address, topic, 6)
	var values sync.Map
	join := func() *franzMember {
		m := &franzMember{have: map[int32]bool{}, ended: make(chan struct{})}
		change := func(add bool) func(context.Context, *kgo.Client, map[string][]int32) {
			return func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.change(p, add) }
		}
		m.client = connect(address, kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic),
			kgo.HeartbeatInterval(300*time.Millisecond), kgo.SessionTimeout(6*time.Second),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsAssigned(change(true)),
			kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
		go func() {
			defer close(m.ended)
			for {
				fetches := m.client.PollFetches(ctx)
				if fetches.IsClientClosed() {
					return
				}
				fetches.EachRecord(func(r *kgo.Record) { values.Store(string(r.Value), true) })
			}
		}()
		return m
	}
	leave := func(m *franzMember) {
		must(m.client.CommitUncommittedOffsets(ctx))
		m.client.Close()
		<-m.ended
	}
	producer := connect(address)
	defer producer.Close()
	sent := 0
	send := func() {
		for i := 0; i < 60; i++ {
			r := &kgo.Record{Topic: topic, Partition: int32(sent % 6), Value: []byte(strconv.Itoa(sent))}
			must(producer.ProduceSync(ctx, r).FirstErr())
			sent++
		}
	}
	a, b := join(), join()
	waitFor("two members", func() bool { return a.size() == 3 && b.size() == 3 })
	send()
	c := join()
	waitFor("three members", func() bool { return a.size() == 2 && b.size() == 2 && c.size() == 2 })
	send()
	leave(a)
	leave(b)
	waitFor("one member", func() bool { return c.size() == 6 })
	send()
	waitFor("every record", func() bool {
		for i := 0; i < sent; i++ {
			if _, ok := values.Load(strconv.Itoa(i)); !ok {
				return false
			}
		}
		return true
	})
	admin := kadm.NewClient(producer)
	described, err := admin.DescribeGroups(ctx, topic)
	must(err)
	equal(described[topic].State, "Stable")
	leave(c)
	offsets, err := admin.FetchOffsets(ctx, topic)
	must(err)
	total := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { total += o.At })
	equal(total, int64(sent))
	_, err = admin.DeleteGroups(ctx, topic)
	must(err)
	groups, err := admin.ListGroups(ctx)
	must(err)
	_, there := groups[topic]
	equal(there, false)
}

// franzTransactions reads, doubles and writes; one of three transactions is aborted.
func franzTransactions(ctx context.Context, address string) {
	makeTopic(ctx, address, "franz-numbers", 1)
	makeTopic(ctx, address, "franz-doubles", 1)
	producer := connect(address)
	for i := 0; i < 30; i++ {
		must(producer.ProduceSync(ctx, &kgo.Record{Topic: "franz-numbers", Value: []byte(strconv.Itoa(i))}).FirstErr())
	}
	producer.Close()
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(address), kgo.TransactionalID("franz-doubler"),
		kgo.ConsumerGroup("franz-doubling"), kgo.ConsumeTopics("franz-numbers"), kgo.RequireStableFetchOffsets(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(err)
	done, tries := 0, 0
	for done < 30 {
		must(session.Begin())
		fetches := session.PollRecords(ctx, 10)
		must(fetches.Err())
		records := fetches.Records()
		if len(records) > 0 {
			equal(string(records[0].Value), strconv.Itoa(done))
		}
		for _, r := range records {
			n, err := strconv.Atoi(string(r.Value))
			must(err)
			session.Produce(ctx, &kgo.Record{Topic: "franz-doubles", Value: []byte(strconv.Itoa(2 * n))}, nil)
		}
		must(session.Client().Flush(ctx)) // an abort drops what was not sent yet
		tries++
		commit := kgo.TransactionEndTry(tries%3 != 2)
		committed, err := session.End(ctx, commit)
		must(err)
		equal(committed, bool(commit))
		if committed {
			done += len(records)
		}
	}
	session.Close()
	reader := connect(address, from("franz-doubles", 0), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	for i, r := range readRecords(ctx, reader, 30) {
		equal(string(r.Value), strconv.Itoa(2*i))
	}
	reader.Close()
	all := connect(address, from("franz-doubles", 0))
	equal(len(readRecords(ctx, all, 31)) > 30, true)
	all.Close()
}

func franzAdmin(ctx context.Context, address string) {
	makeTopic(ctx, address, "franz-admin", 2)
	client := connect(address)
	defer client.Close()
	admin := kadm.NewClient(client)
	value := "3600000"
	_, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, "franz-admin")
	must(err)
	configs, err := admin.DescribeTopicConfigs(ctx, "franz-admin")
	must(err)
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			equal(*c.Value, value)
		}
	}
	_, err = admin.UpdatePartitions(ctx, 3, "franz-admin")
	must(err)
	for i := 0; i < 10; i++ {
		must(client.ProduceSync(ctx, &kgo.Record{Topic: "franz-admin", Value: []byte("x"),
			Timestamp: time.UnixMilli(baseMs + int64(i))}).FirstErr())
	}
	var cut kadm.Offsets
	cut.Add(kadm.Offset{Topic: "franz-admin", Partition: 0, At: 4})
	_, err = admin.DeleteRecords(ctx, cut)
	must(err)
	start, err := admin.ListStartOffsets(ctx, "franz-admin")
	must(err)
	at, err := admin.ListOffsetsAfterMilli(ctx, baseMs+6, "franz-admin")
	must(err)
	end, err := admin.ListEndOffsets(ctx, "franz-admin")
	must(err)
	equal(len(end["franz-admin"]), 3)
	equal(start["franz-admin"][0].Offset, int64(4))
	equal(at["franz-admin"][0].Offset, int64(6))
	equal(end["franz-admin"][0].Offset, int64(10))
	_, err = admin.DeleteTopics(ctx, "franz-admin")
	must(err)
	topics, err := admin.ListTopics(ctx)
	must(err)
	equal(topics.Has("franz-admin"), false)
}
