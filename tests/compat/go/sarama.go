package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	return c
}

func saramaAdmin(address string) sarama.ClusterAdmin {
	admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig())
	must(err)
	return admin
}

func saramaTopic(address, name string, partitions int32) {
	admin := saramaAdmin(address)
	must(admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	must(admin.Close())
}

func saramaRead(address, topic string, count int, level sarama.IsolationLevel) []*sarama.ConsumerMessage {
	c := saramaConfig()
	c.Consumer.IsolationLevel = level
	consumer, err := sarama.NewConsumer([]string{address}, c)
	must(err)
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	must(err)
	var got []*sarama.ConsumerMessage
	for len(got) < count {
		select {
		case m := <-partition.Messages():
			got = append(got, m)
		case <-time.After(30 * time.Second):
			panic(fmt.Sprintf("%d of %d records of %s", len(got), count, topic))
		}
	}
	must(partition.Close())
	must(consumer.Close())
	return got
}

func saramaCodecs(_ context.Context, address string) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP,
		sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
		topic := "sarama-" + codec.String()
		saramaTopic(address, topic, 1)
		c := saramaConfig()
		c.Producer.Compression = codec
		c.Producer.Idempotent = true
		c.Producer.RequiredAcks = sarama.WaitForAll
		c.Net.MaxOpenRequests = 1
		producer, err := sarama.NewSyncProducer([]string{address}, c)
		must(err)
		var messages []*sarama.ProducerMessage
		for i := 0; i < 200; i++ {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic,
				Key:       sarama.StringEncoder(fmt.Sprintf("key %d", i)),
				Value:     sarama.StringEncoder(fmt.Sprintf("value %0200d", i)),
				Headers:   []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(i))}},
				Timestamp: time.UnixMilli(baseMs + int64(i))})
		}
		must(producer.SendMessages(messages))
		must(producer.Close())
		for i, m := range saramaRead(address, topic, 200, sarama.ReadUncommitted) {
			equal(m.Offset, int64(i))
			equal(string(m.Key), fmt.Sprintf("key %d", i))
			equal(string(m.Value), fmt.Sprintf("value %0200d", i))
			equal(string(m.Headers[0].Value), strconv.Itoa(i))
			equal(m.Timestamp.UnixMilli(), baseMs+int64(i))
		}
	}
}

type saramaMember struct {
	lock   sync.Mutex
	have   []int32
	values *sync.Map
	cancel context.CancelFunc
	ended  chan struct{}
}

func (m *saramaMember) Setup(s sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.have = s.Claims()["sarama-group"]
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.have = nil
	return nil
}

func (m *saramaMember) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for message := range c.Messages() {
		m.values.Store(string(message.Value), true)
		s.MarkMessage(message, "")
	}
	return nil
}

func (m *saramaMember) size() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.have)
}

func saramaGroup(ctx context.Context, address string) {
	const topic = "sarama-group"
	saramaTopic(address, topic, 6)
	var values sync.Map
	join := func() *saramaMember {
		group, err := sarama.NewConsumerGroup([]string{address}, topic, saramaConfig())
		must(err)
		mine, cancel := context.WithCancel(ctx)
		m := &saramaMember{values: &values, cancel: cancel, ended: make(chan struct{})}
		go func() {
			defer close(m.ended)
			for mine.Err() == nil {
				if err := group.Consume(mine, []string{topic}, m); err != nil && !errors.Is(err, context.Canceled) {
					panic(err)
				}
			}
			must(group.Close())
		}()
		return m
	}
	leave := func(m *saramaMember) {
		m.cancel()
		<-m.ended
	}
	producer, err := sarama.NewSyncProducer([]string{address}, saramaConfig())
	must(err)
	sent := 0
	send := func() {
		for i := 0; i < 60; i++ {
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: int32(sent % 6),
				Value: sarama.StringEncoder(strconv.Itoa(sent))})
			must(err)
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
	leave(c)
	must(producer.Close())
	admin := saramaAdmin(address)
	offsets, err := admin.ListConsumerGroupOffsets(topic, nil)
	must(err)
	total := int64(0)
	for _, b := range offsets.Blocks[topic] {
		total += b.Offset
	}
	equal(total, int64(sent))
	must(admin.DeleteConsumerGroup(topic))
	groups, err := admin.ListConsumerGroups()
	must(err)
	_, there := groups[topic]
	equal(there, false)
	must(admin.Close())
}

func saramaTransactions(_ context.Context, address string) {
	saramaTopic(address, "sarama-doubles", 1)
	c := saramaConfig()
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Transaction.ID = "sarama-doubler"
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{address}, c)
	must(err)
	for round := 0; round < 4; round++ {
		must(producer.BeginTxn())
		for i := 0; i < 10; i++ {
			_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-doubles",
				Value: sarama.StringEncoder(strconv.Itoa(round*10 + i))})
			must(err)
		}
		at := []*sarama.PartitionOffsetMetadata{{Partition: 0, Offset: int64(round)}}
		must(producer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{"sarama-doubles": at}, "sarama-doubling"))
		if round == 1 {
			must(producer.AbortTxn())
		} else {
			must(producer.CommitTxn())
		}
	}
	must(producer.Close())
	for i, m := range saramaRead(address, "sarama-doubles", 30, sarama.ReadCommitted) {
		want := i
		if i >= 10 {
			want += 10
		}
		equal(string(m.Value), strconv.Itoa(want))
	}
	for i, m := range saramaRead(address, "sarama-doubles", 40, sarama.ReadUncommitted) {
		equal(string(m.Value), strconv.Itoa(i))
	}
	admin := saramaAdmin(address)
	waitFor("the offset", func() bool {
		offsets, err := admin.ListConsumerGroupOffsets("sarama-doubling", nil)
		must(err)
		block := offsets.GetBlock("sarama-doubles", 0)
		return block != nil && block.Offset == 3
	})
	must(admin.Close())
}

func saramaAdminChecks(_ context.Context, address string) {
	const topic = "sarama-admin"
	saramaTopic(address, topic, 2)
	admin := saramaAdmin(address)
	err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false)
	equal(errors.Is(err, sarama.ErrTopicAlreadyExists), true)
	value := "3600000"
	must(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &value}, false))
	configs, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic,
		ConfigNames: []string{"retention.ms"}})
	must(err)
	equal(configs[0].Value, value)
	must(admin.CreatePartitions(topic, 3, nil, false))
	producer, err := sarama.NewSyncProducer([]string{address}, saramaConfig())
	must(err)
	for i := 0; i < 10; i++ {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x"),
			Timestamp: time.UnixMilli(baseMs + int64(i))})
		must(err)
	}
	must(producer.Close())
	must(admin.DeleteRecords(topic, map[int32]int64{0: 4}))
	client, err := sarama.NewClient([]string{address}, saramaConfig())
	must(err)
	for when, want := range map[int64]int64{sarama.OffsetOldest: 4, baseMs + 6: 6, sarama.OffsetNewest: 10} {
		offset, err := client.GetOffset(topic, 0, when)
		must(err)
		equal(offset, want)
	}
	must(client.Close())
	must(admin.DeleteTopic(topic))
	topics, err := admin.ListTopics()
	must(err)
	_, there := topics[topic]
	equal(there, false)
	must(admin.Close())
}
