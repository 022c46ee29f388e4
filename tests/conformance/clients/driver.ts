// One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error. For Deno.
const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = "";
for await (const chunk of input) {
  rest += chunk;
  const lines = rest.split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const [port, name, ca] = line.split(" ");
    let answer = "ok";
    try {
      const plain = await Deno.connect({ hostname: "127.0.0.1", port: +port });
      const options: Record<string, unknown> = { hostname: name === "-" ? "127.0.0.1" : name, alpnProtocols: ["h2", "http/1.1"] };
      if (ca !== "-") options.caCerts = [await Deno.readTextFile(ca)];
      const secure = await Deno.startTls(plain, options);
      await secure.handshake();
      secure.close();
    } catch (error) { answer = String(error).replace(/\s+/g, " "); }
    console.log(answer);
  }
}
