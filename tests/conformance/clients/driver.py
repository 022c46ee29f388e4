# mypy: ignore-errors
# One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
# Any Python from 2.7 on; with an argument, another library: curl_cffi:TARGET, wreq:NAME, mbedtls.
import socket
import ssl
import sys
import time


def plain(port, name, ca):
    context = ssl.create_default_context(cafile=None if ca == "-" else ca)
    if ca == "-":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection = socket.create_connection(("127.0.0.1", port), 8)
    try:
        context.set_alpn_protocols(["http/1.1"])
        secure = context.wrap_socket(connection, server_hostname=None if name == "-" else name)
        secure.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        secure.recv(100)
    finally:
        connection.close()


def curl_cffi(target):
    from curl_cffi import Curl, CurlOpt

    def get(port, name, ca):
        curl = Curl()
        host = "127.0.0.1" if name == "-" else name
        curl.setopt(CurlOpt.URL, "https://{}:{}/".format(host, port).encode())
        curl.setopt(CurlOpt.RESOLVE, ["{}:{}:127.0.0.1".format(host, port)])
        curl.setopt(CurlOpt.TIMEOUT, 8)
        curl.setopt(CurlOpt.WRITEFUNCTION, len)
        curl.impersonate(target)
        curl.setopt(CurlOpt.SSL_VERIFYPEER, 0 if ca == "-" else 1)
        curl.setopt(CurlOpt.SSL_VERIFYHOST, 0 if ca == "-" else 2)
        if ca != "-":
            curl.setopt(CurlOpt.CAINFO, ca.encode())
        try:
            curl.perform()
        finally:
            curl.close()

    return get


def mbedtls():
    from mbedtls import tls as library

    def get(port, name, ca):
        trust = library.TrustStore()
        if ca != "-":
            with open(ca) as file:
                from mbedtls import x509

                trust.add(x509.CRT.from_PEM(file.read()))
        configuration = library.TLSConfiguration(trust_store=trust, validate_certificates=ca != "-")
        context = library.ClientContext(configuration)
        with socket.create_connection(("127.0.0.1", port), 8) as connection:
            secure = context.wrap_socket(connection, server_hostname=None if name == "-" else name)
            for _ in range(200):
                try:
                    secure.do_handshake()
                    break
                except (library.WantReadError, library.WantWriteError):
                    time.sleep(0.01)
            else:
                raise OSError("the handshake does not end")
            secure.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            for _ in range(200):
                try:
                    secure.recv(100)
                    return
                except (library.WantReadError, library.WantWriteError):
                    time.sleep(0.01)

    return get


if __name__ == "__main__":
    kind, _, target = (sys.argv[1] if len(sys.argv) > 1 else "").partition(":")
    get = curl_cffi(target) if kind == "curl_cffi" else mbedtls() if kind == "mbedtls" else plain
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        port, name, ca = line.split()
        try:
            get(int(port), name, ca)
            answer = "ok"
        except Exception as error:
            answer = " ".join(str(error).split()) or type(error).__name__
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
