import json, socket, sys

store = None
for line in sys.stdin:  # one operation a line
    op = json.loads(line)
    store = store or socket.create_connection((op["host"], op["port"])).makefile("rw")
    print(op["f"], op.get("key"), json.dumps(op.get("value")), file=store, flush=True)
    word, rest = store.readline().split(" ", 1)  # "ok [1, 2]", "fail why", or it dies
    answer = {"value": json.loads(rest)} if word == "ok" else {"error": rest.strip()}
    print(json.dumps({"op": op["op"], "type": word, **answer}), flush=True)
