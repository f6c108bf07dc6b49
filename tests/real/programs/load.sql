create table numbers (n integer primary key, square integer, name text);
begin;
with recursive counter(n) as (select 1 union all select n + 1 from counter where n < SIZE)
  insert into numbers select n, n * n, printf('number %x', n) from counter;
commit;
create index by_name on numbers (name);
begin;
update numbers set name = upper(name) where n % 3 = 0;
delete from numbers where n % 7 = 0;
commit;
select count(*), sum(square % 1000), min(name), max(name) from numbers;
with recursive counter(n) as (select 1 union all select n + 1 from counter where n < SIZE)
  insert into numbers select n + 2 * SIZE, n, hex(n) from counter;
select count(*), sum(length(name)) from numbers where name glob '*F*';
vacuum;
pragma integrity_check;
