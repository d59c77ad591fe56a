"""A bank's receiver of blocking requests: verifies, answers, does each message once. See docs/institutions.md.
usage: institution.py BROKERS CODE KEY_FILE WRITER_NAME=PUBLIC_KEY"""
import base64, json, sys
from datetime import datetime, timezone
from confluent_kafka import Consumer, Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

brokers, code, key_file, writer = sys.argv[1:]
kid, seed = open(key_file).read().strip().split(":")
own = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))
writer_kid, writer_key = writer.split("=", 1)
writer_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(writer_key))
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
unb64 = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
# RFC 8785 for what these messages hold: texts, whole numbers, true and false.
canonical = lambda obj: json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

def opened(raw):
    order = json.loads(raw)
    header, signature = order.pop("signature").split("..")
    assert json.loads(unb64(header)) == {"alg": "EdDSA", "kid": writer_kid, "typ": "foreshock-order"}
    writer_key.verify(unb64(signature), f"{header}.{b64(canonical(order))}".encode())
    assert order["targetInstitution"]["code"] == code
    return order

def answer(order, stage, **more):
    body = {"responseId": f"{order['requestId']}.{order['revision']}.{stage}", "institution": code,
            "requestId": order["requestId"], "revision": order["revision"], "stage": stage, **more}
    header = b64(json.dumps({"alg": "EdDSA", "kid": kid, "typ": "foreshock-answer"}).encode())
    body["signature"] = f"{header}..{b64(own.sign(f'{header}.{b64(canonical(body))}'.encode()))}"
    producer.produce("blocking.response.v1", canonical(body), key=order["requestId"])
    producer.flush()

producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})
consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{code}-receiver", "auto.offset.reset": "earliest",
                     "isolation.level": "read_committed"})
consumer.subscribe([f"blocking.request.v1.{code}"])
done = {}
while True:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    try:
        order = opened(message.value())
    except Exception as fault:
        print("not followed:", repr(fault))
        continue
    if order["revision"] <= done.get(order["requestId"], 0):
        continue  # the same message once more, or an older one
    done[order["requestId"]] = order["revision"]
    answer(order, "RECEIVED")
    if order["action"] not in ("LIFT", "CANCEL") and datetime.fromisoformat(order["expiresAt"]) <= datetime.now(timezone.utc):
        answer(order, "REFUSED", reason="EXPIRED_ON_ARRIVAL")
        continue
    # Here the core system holds the amount until order["expiresAt"], by its own clock.
    answer(order, "LIFTED" if order["action"] == "LIFT" else "EXECUTED")
