import json, socket, sys

store = None
for line in sys.stdin:  # one operation a line
    op = json.loads(line)
    store = store or socket.create_connection((op["host"], op["port"])).makefile("rw")
    print(op["f"], op.get("key"), json.dumps(op.get("value")), file=store, flush=True)
    word, _, rest = store.readline().strip().partition(" ")  # "ok [1, 2]", "fail why"
    answer = {"value": json.loads(rest or "null")} if word == "ok" else {"error": rest}
    print(json.dumps({"op": op["op"], "type": word, **answer}), flush=True)
