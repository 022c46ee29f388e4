// One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func get(port, name, ca string) error {
	configuration := &tls.Config{InsecureSkipVerify: ca == "-"}
	host := "127.0.0.1"
	if name != "-" {
		host = name
	}
	if ca != "-" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		configuration.RootCAs = x509.NewCertPool()
		configuration.RootCAs.AppendCertsFromPEM(pem)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return net.Dial("tcp", "127.0.0.1:"+port)
	}
	transport := &http.Transport{TLSClientConfig: configuration, DialContext: dial, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 8 * time.Second}
	response, err := client.Get("https://" + host + ":" + port + "/")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	return err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if err := get(words[0], words[1], words[2]); err != nil {
			fmt.Println(strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("ok")
		}
	}
}
