FROM nginx:1.26 AS base
ARG A=1
ENV B=$A C=2
COPY --from=x certificates /etc/nginx/
COPY ["a b", "/etc/nginx"]
RUN <<E
server { listen 443 ssl; }
E
RUN openssl req -x509 -days 1 -keyout k.key
ADD . /
