// What users of kafkajs do. Usage: node checks.js HOST:PORT
const assert = require('node:assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const kafka = new Kafka({ clientId: 'checks', brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
const base = Math.floor(Date.now() / 1000) * 1000 - 200_000; // younger than the retention
const admin = kafka.admin();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function waitFor(what, condition, seconds = 30) {
  for (const until = Date.now() + seconds * 1000; ; await sleep(50)) {
    if (await condition()) return;
    assert.ok(Date.now() < until, `not after ${seconds} s: ${what}`);
  }
}

const make = (topic, numPartitions = 1) => admin.createTopics({ topics: [{ topic, numPartitions }] });

async function readAll(topic, groupId, count, options = {}) {
  const consumer = kafka.consumer({ groupId, ...options });
  const got = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message, partition }) => got.push({ partition, ...message }) });
  await waitFor(`${count} records of ${topic}`, () => got.length >= count);
  await sleep(300); // what should not come has the time to
  await consumer.disconnect();
  return got;
}

async function codecs() {
  for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
    const topic = `codec-${name}`;
    await make(topic);
    const producer = kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: 200 }, (_, i) => ({
      key: `key ${i}`, value: `value ${i} `.repeat(20), headers: { n: `${i}` }, timestamp: `${base + i}`,
    }));
    messages.push({ key: 'gone', value: null });
    const sent = await producer.send({ topic, compression, messages });
    assert.strictEqual(sent[0].baseOffset, '0');
    await producer.disconnect();
    const got = await readAll(topic, topic, 201);
    assert.strictEqual(got.length, 201);
    got.slice(0, 200).forEach((m, i) => {
      assert.strictEqual(m.offset, `${i}`);
      assert.strictEqual(m.key.toString(), `key ${i}`);
      assert.strictEqual(m.value.toString(), `value ${i} `.repeat(20));
      assert.strictEqual(m.headers.n.toString(), `${i}`);
      assert.strictEqual(m.timestamp, `${base + i}`);
    });
    assert.strictEqual(got[200].value, null);
  }
}

async function group() {
  const topic = 'group';
  await make(topic, 6);
  const values = new Set();
  const members = [];
  async function join() {
    const consumer = kafka.consumer({ groupId: topic, heartbeatInterval: 300, sessionTimeout: 6000 });
    const member = { consumer, have: [] };
    consumer.on(consumer.events.GROUP_JOIN, (e) => { member.have = e.payload.memberAssignment[topic] || []; });
    members.push(member);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => values.add(message.value.toString()) });
  }
  const balanced = (of) => {
    const all = of.flatMap((m) => m.have).sort();
    return all.join() === '0,1,2,3,4,5' && of.every((m) => m.have.length === 6 / of.length);
  };
  const producer = kafka.producer();
  await producer.connect();
  let sent = 0;
  async function send() {
    const messages = Array.from({ length: 60 }, () => ({ value: `${sent}`, partition: sent++ % 6 }));
    await producer.send({ topic, messages });
  }
  await Promise.all([join(), join()]);
  await waitFor('two members', () => balanced(members));
  await send();
  await join();
  await waitFor('three members', () => balanced(members));
  await send();
  await members[0].consumer.disconnect();
  await members[1].consumer.disconnect();
  await waitFor('one member', () => balanced(members.slice(2)));
  await send();
  await waitFor('every record', () => values.size === sent);
  await members[2].consumer.disconnect();
  await producer.disconnect();
  const described = await admin.describeGroups([topic]);
  assert.strictEqual(described.groups[0].state, 'Empty');
  const [{ partitions }] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
  assert.strictEqual(partitions.reduce((sum, p) => sum + Number(p.offset), 0), sent);
  await admin.deleteGroups([topic]);
  const { groups } = await admin.listGroups();
  assert.ok(!groups.some((g) => g.groupId === topic));
}

async function transactions() {
  await make('doubles');
  const producer = kafka.producer({ transactionalId: 'doubler', idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let round = 0; round < 4; ++round) {
    const t = await producer.transaction();
    const messages = Array.from({ length: 10 }, (_, i) => ({ value: `${round * 10 + i}` }));
    await t.send({ topic: 'doubles', messages });
    await t.sendOffsets({ consumerGroupId: 'doubling',
      topics: [{ topic: 'doubles', partitions: [{ partition: 0, offset: `${round}` }] }] });
    await (round === 1 ? t.abort() : t.commit());
  }
  await producer.disconnect();
  const values = (got) => got.map((m) => Number(m.value.toString()));
  const committed = [...Array(40).keys()].filter((i) => i < 10 || i >= 20);
  assert.deepStrictEqual(values(await readAll('doubles', 'committed', 30)), committed);
  const all = await readAll('doubles', 'uncommitted', 40, { readUncommitted: true });
  assert.deepStrictEqual(values(all), [...Array(40).keys()]);
  await waitFor('the offset', async () => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: 'doubling', topics: ['doubles'] });
    return partitions[0].offset === '3';
  });
}

async function topics() {
  await make('topics', 2);
  assert.strictEqual(await make('topics', 2), false);
  const resource = { type: 2, name: 'topics' };
  const retention = async () => (await admin.describeConfigs({ resources: [resource], includeSynonyms: false }))
    .resources[0].configEntries.find((e) => e.configName === 'retention.ms').configValue;
  assert.strictEqual(await retention(), '604800000');
  await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
  assert.strictEqual(await retention(), '3600000');
  await admin.createPartitions({ topicPartitions: [{ topic: 'topics', count: 3 }] });
  const { topics: [made] } = await admin.fetchTopicMetadata({ topics: ['topics'] });
  assert.strictEqual(made.partitions.length, 3);
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: 10 }, (_, i) => ({ value: `${i}`, partition: 0, timestamp: `${base + i}` }));
  await producer.send({ topic: 'topics', messages });
  await producer.disconnect();
  const at = async (t) => (await admin.fetchTopicOffsetsByTimestamp('topics', t)).find((p) => p.partition === 0).offset;
  assert.strictEqual(await at(base + 4), '4');
  await admin.deleteTopicRecords({ topic: 'topics', partitions: [{ partition: 0, offset: '6' }] });
  const offsets = (await admin.fetchTopicOffsets('topics')).find((p) => p.partition === 0);
  assert.deepStrictEqual([offsets.low, offsets.high], ['6', '10']);
  await admin.deleteTopics({ topics: ['topics'] });
  assert.ok(!(await admin.listTopics()).includes('topics'));
}

(async () => {
  let passed = 0;
  let failed = 0;
  await admin.connect();
  for (const check of [codecs, group, transactions, topics]) {
    const begun = Date.now();
    try {
      await check();
      passed += 1;
      console.log(`ok   ${check.name} (${(Date.now() - begun) / 1000} s)`);
    } catch (e) {
      failed += 1;
      console.log(`FAIL ${check.name}: ${e.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
