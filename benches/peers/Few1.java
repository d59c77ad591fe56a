import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * FEW-1 written by hand for Flink: a process function for each account over heap state, in order of arrival.
 * Words: brokers, topic to read, topic to write, parallelism, milliseconds between checkpoints (0: none, at least once), folder of
 * the checkpoints.
 * Prints one line of JSON: seconds from the first record to the end; CPU seconds and most memory of the whole process.
 */
public final class Few1 {
    private static final long SPAN_US = 600_000_000L;
    private static final AtomicLong FIRST = new AtomicLong();

    /** Event id, payer, payee, minor units, microseconds of the day. */
    static final class Read implements DeserializationSchema<Tuple5<String, String, String, Long, Long>> {
        private transient JsonFactory factory;

        @Override
        public void open(InitializationContext context) {
            factory = new JsonFactory();
        }

        @Override
        public Tuple5<String, String, String, Long, Long> deserialize(byte[] message) throws IOException {
            if (FIRST.get() == 0) {
                FIRST.compareAndSet(0, System.nanoTime());
            }
            String id = null, payer = null, payee = null, party = null;
            long amount = 0, time = 0;
            boolean isOurs = false;
            int depth = 0;
            try (JsonParser parser = factory.createParser(message)) {
                for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                    if (token == JsonToken.START_OBJECT) {
                        depth++;
                    } else if (token == JsonToken.END_OBJECT) {
                        depth--;
                    } else if (token == JsonToken.FIELD_NAME) {
                        String name = parser.currentName();
                        if (depth == 1) {
                            switch (name) {
                                case "txId" -> id = parser.nextTextValue();
                                case "creDtTm" -> time = micros(parser.nextTextValue());
                                case "amount" -> amount = minor(parser.nextTextValue());
                                case "currency" -> isOurs = "CNY".equals(parser.nextTextValue());
                                default -> party = name;
                            }
                        } else if (depth == 2 && name.equals("accountToken")) {
                            if ("debtor".equals(party)) {
                                payer = parser.nextTextValue();
                            } else {
                                payee = parser.nextTextValue();
                            }
                        }
                    }
                }
            }
            return isOurs ? Tuple5.of(id, payer, payee, amount, time) : null;
        }

        @Override
        public boolean isEndOfStream(Tuple5<String, String, String, Long, Long> event) {
            return false;
        }

        @Override
        public TypeInformation<Tuple5<String, String, String, Long, Long>> getProducedType() {
            return TypeInformation.of(new TypeHint<>() {});
        }

        /** 1234.56 */
        private static long minor(String text) {
            long value = 0;
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (c != '.') {
                    value = value * 10 + (c - '0');
                }
            }
            return value;
        }

        /** 2026-03-01T08:09:10.123456Z, all of one day. */
        private static long micros(String text) {
            long fraction = 0, unit = 100_000;
            for (int i = 20; i < text.length() && Character.isDigit(text.charAt(i)); i++, unit /= 10) {
                fraction += (text.charAt(i) - '0') * unit;
            }
            long seconds = two(text, 11) * 3_600 + two(text, 14) * 60 + two(text, 17);
            return seconds * 1_000_000 + fraction;
        }

        private static long two(String text, int at) {
            return (text.charAt(at) - '0') * 10 + (text.charAt(at + 1) - '0');
        }
    }

    /** One payment of a window. */
    public static class Paid {
        public long time;
        public long amount;
        public String payee;
    }

    /** The last ten minutes of an account, of types that Flink writes without Kryo. Those before `first` are gone. */
    public static class Window {
        public List<Paid> paid = new ArrayList<>(4);
        public Map<String, Integer> payees = new HashMap<>(4);
        public int first;
        public long total;

        Paid oldest() {
            return first < paid.size() ? paid.get(first) : null;
        }

        void forgetOldest() {
            first++;
            if (first > 32 && first > paid.size() / 2) {
                paid.subList(0, first).clear();
                first = 0;
            }
        }
    }

    static final class Judge extends KeyedProcessFunction<String, Tuple5<String, String, String, Long, Long>, String> {
        private transient ValueState<Window> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(
                new ValueStateDescriptor<>("window", TypeInformation.of(new TypeHint<Window>() {})));
        }

        @Override
        public void processElement(
            Tuple5<String, String, String, Long, Long> event, Context context, Collector<String> out) throws IOException {
            Window window = state.value();
            if (window == null) {
                window = new Window();
            }
            for (Paid gone = window.oldest(); gone != null && gone.time < event.f4 - SPAN_US; gone = window.oldest()) {
                window.forgetOldest();
                window.total -= gone.amount;
                window.payees.computeIfPresent(gone.payee, (payee, count) -> count == 1 ? null : count - 1);
            }
            Paid paid = new Paid();
            paid.time = event.f4;
            paid.amount = event.f3;
            paid.payee = event.f2;
            window.paid.add(paid);
            window.total += paid.amount;
            window.payees.merge(paid.payee, 1, Integer::sum);
            state.update(window);
            if (window.paid.size() - window.first >= 50 && window.payees.size() >= 40 && window.total >= 3_000_000 && paid.amount >= 499_000) {
                out.collect(event.f0);
            }
        }
    }

    public static void main(String[] words) throws Exception {
        String brokers = words[0], from = words[1], to = words[2];
        int parallelism = Integer.parseInt(words[3]);
        long checkpointMs = Long.parseLong(words[4]);
        Configuration configuration = new Configuration();
        configuration.setString("execution.checkpointing.dir", Path.of(words[5]).toUri().toString());
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
        env.getConfig().enableObjectReuse();
        var sink = KafkaSink.<String>builder()
            .setBootstrapServers(brokers)
            .setRecordSerializer(KafkaRecordSerializationSchema.<String>builder()
                .setTopic(to).setValueSerializationSchema(new SimpleStringSchema()).build());
        if (checkpointMs > 0) {
            env.enableCheckpointing(checkpointMs);
            sink.setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                .setTransactionalIdPrefix(to)
                .setProperty("transaction.timeout.ms", "600000");
        } else {
            sink.setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE);
        }
        KafkaSource<Tuple5<String, String, String, Long, Long>> source =
            KafkaSource.<Tuple5<String, String, String, Long, Long>>builder()
                .setBootstrapServers(brokers)
                .setTopics(from)
                .setGroupId(to)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setValueOnlyDeserializer(new Read())
                .build();
        env.fromSource(source, WatermarkStrategy.noWatermarks(), "payments")
            .keyBy(event -> event.f1, TypeInformation.of(String.class))
            .process(new Judge())
            .sinkTo(sink.build());
        env.execute("FEW-1");
        Outcome.print((System.nanoTime() - FIRST.get()) / 1e9);
        System.exit(0);
    }
}
